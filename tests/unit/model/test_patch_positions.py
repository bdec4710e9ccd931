"""Codes of patch positions: what is in them, that every path adds them, and how checkpoints get and keep them."""

import math

import pytest
import torch

from vgcli_core.errors import CheckpointError, FusionError
from vgcli_core.model.checkpoint import Options, load_model
from vgcli_core.model.patch_positions import FEATURES, place_features
from vgcli_core.model.save import save_model
from vgcli_core.model.tiny import tiny_model
from vgcli_core.model.vgllm import VGLLM

GRID = torch.tensor([[1, 4, 6]] * 2)
CELLS = 2 * 2 * 3


def with_positions(*, moved: bool = True, **choices) -> VGLLM:
    model, _ = tiny_model(frame_width=84, patch_positions=True, **choices)
    generator = torch.Generator().manual_seed(1)
    if moved:
        for parameter in model.patch_positions.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
    return model


def seen(model: VGLLM, scenes: int = 1) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(2)
    pixels = torch.randn(scenes * 2 * 4 * 6, 1176, generator=generator)
    frames = [torch.rand(2, 3, 56, 84, generator=generator) for _ in range(scenes)]
    return pixels, GRID.repeat(scenes, 1), frames


def test_a_place_is_written_as_polynomials_waves_and_the_number_of_its_frame():
    features = place_features(GRID)
    assert features.shape == (CELLS, FEATURES)
    # Second frame, second row, third column of 2 x 3 merged tokens.
    x, y, number = 2 / 3, 1 / 2, 1
    waves = [at * math.pi * octave for at in (x, y) for octave in (1, 2, 4, 8)]
    turns = [2 * math.pi * number / period for period in (4, 16, 64)]
    expected = [x, y, x * x, y * y, x * y]
    expected += [math.sin(wave) for wave in waves] + [math.cos(wave) for wave in waves]
    expected += [math.sin(turn) for turn in turns] + [math.cos(turn) for turn in turns]
    torch.testing.assert_close(features[-1], torch.tensor(expected), atol=1e-5, rtol=0)


def test_all_places_of_sixty_four_frames_differ():
    features = place_features(torch.tensor([[1, 8, 12]] * 64))
    apart = torch.cdist(features, features) + torch.eye(len(features)) * 9
    assert apart.min() > 0.05


@pytest.mark.parametrize("geometry_encoder", ["vggt", "none"])
def test_codes_are_added_to_what_was_fused_the_same_for_each_scene(geometry_encoder):
    model, plain = with_positions(geometry_encoder=geometry_encoder), tiny_model(geometry_encoder=geometry_encoder)[0]
    pixels, grids, frames = seen(model, scenes=2)
    with torch.no_grad():
        added = model.image_tokens(pixels, grids, frames) - plain.image_tokens(pixels, grids, frames)
        code = place_features(GRID) @ model.patch_positions.weight.T + model.patch_positions.bias
    torch.testing.assert_close(added, code.repeat(2, 1), atol=1e-4, rtol=0)


def test_frames_whose_scene_is_not_known_are_refused():
    model = with_positions(geometry_encoder="none")
    pixels, grids, _ = seen(model)
    with pytest.raises(FusionError, match="2 pictures came with 0 geometry frames"):
        model.image_tokens(pixels, grids, [])


@pytest.mark.parametrize("geometry_encoder", ["vggt", "none"])
def test_a_saved_model_keeps_its_code_with_and_without_geometry(tmp_path, geometry_encoder):
    model = with_positions(geometry_encoder=geometry_encoder)
    folder = save_model(model, tmp_path / "model")
    for geometry in (True, False):
        loaded, report = load_model(folder, Options(device="cpu", geometry=geometry))
        assert loaded.config.patch_positions
        assert torch.equal(loaded.patch_positions.weight, model.patch_positions.weight)
        assert "patch_positions" not in str(report.left_out)


def test_a_checkpoint_gets_a_code_that_changes_nothing_yet(tmp_path):
    plain, _ = tiny_model()
    folder = save_model(plain, tmp_path / "model")
    model, report = load_model(folder, Options(device="cpu", patch_positions=True))
    assert model.config.patch_positions
    assert not any(bool(parameter.any()) for parameter in model.patch_positions.parameters())
    assert not any("untrained" in note for note in report.notes)
    pixels, grids, frames = seen(model)
    with torch.no_grad():
        assert torch.equal(model.image_tokens(pixels, grids, frames), plain.image_tokens(pixels, grids, frames))


def test_a_checkpoint_without_the_code_that_it_speaks_of_is_refused(tmp_path):
    folder = save_model(tiny_model()[0], tmp_path / "model")
    said = (folder / "vgllm.json").read_text(encoding="utf-8")
    (folder / "vgllm.json").write_text(
        said.replace('"patch_positions": false', '"patch_positions": true'), encoding="utf-8"
    )
    with pytest.raises(CheckpointError, match="missing from the weights: 2 parameters: patch_positions"):
        load_model(folder, Options(device="cpu"))

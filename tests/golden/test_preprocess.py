"""Frames to tensors against recordings of the reference: sizes, grids and sampled exact values of both encoders."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from vgcli_core.errors import MediaError
from vgcli_core.model.pixels import geometry_size, prepare_pixels

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def folder(golden: Path) -> Path:
    return golden / "preprocess"


@pytest.fixture(scope="module")
def index(folder: Path) -> dict:
    return json.loads((folder / "index.json").read_text())


def picture(path: Path, *, composite: bool = False) -> np.ndarray:
    """Read a picture as training does (hidden colours shown), or with its alpha blended over white."""
    image = Image.open(path)
    if composite and image.mode == "RGBA":
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"))


def assert_is(tensor: torch.Tensor, facts: dict, *, exact: bool = True) -> None:
    """Compare with a recorded shape, sampled values and, where arithmetic is exact, the checksum of all bytes."""
    assert list(tensor.shape) == facts["shape"]
    flat = tensor.contiguous().flatten()
    values = flat[torch.tensor(facts["flat_index"])]
    np.testing.assert_allclose(values.numpy(), facts["value"], atol=1e-6, rtol=0)
    assert abs(float(flat.double().abs().sum()) - facts["abs_sum"]) <= 1e-7 * facts["abs_sum"]
    if exact:
        assert hashlib.sha256(flat.numpy().astype("<f4").tobytes()).hexdigest() == facts["sha256_float32_le"]


def test_training_pixels_of_every_picture_are_the_recorded_ones(folder, index):
    checked = 0
    for name, facts in index.items():
        if name.startswith("_"):
            continue
        pixels = prepare_pixels([picture(folder / facts["file"])])
        assert_is(pixels.geometry_frames[0], facts["train"]["images_vggt"])
        assert_is(pixels.pixel_values, facts["train"]["pixel_values"], exact=False)
        assert pixels.grid_thw.flatten().tolist() == list(np.ravel(facts["train"]["image_grid_thw"]))
        checked += 1
    assert checked


def test_full_pixel_values_are_the_recorded_ones(folder):
    files = list(folder.glob("*.safetensors"))
    assert files
    for file in files:
        pixels = prepare_pixels([picture(folder / f"{file.stem}.png")])
        expected = load_file(file)["train_pixel_values"]
        assert float((pixels.pixel_values - expected).abs().max()) <= 1e-6


def test_pictures_equal_the_lossless_recordings(folder, index):
    for name in index:
        stored = folder / f"{name}.load.png"
        if stored.is_file() and not name.startswith("_"):
            found = prepare_pixels([picture(folder / f"{name}.png", composite=True)]).geometry_frames[0]
            as_bytes = (found.permute(1, 2, 0) * 255).round().byte().numpy()
            np.testing.assert_array_equal(as_bytes, np.asarray(Image.open(stored).convert("RGB")))


def test_fit_pad_gives_the_recorded_white_squares(folder, index):
    for name, facts in index.items():
        if not name.startswith("_") and "load_and_preprocess_mode_pad" in facts:
            pixels = prepare_pixels([picture(folder / facts["file"], composite=True)], fit="pad")
            assert_is(pixels.geometry_frames, facts["load_and_preprocess_mode_pad"])


def test_mixed_shapes_are_padded_with_white_as_recorded(folder, index):
    for name, facts in index.items():
        if name.startswith("_") and isinstance(facts, dict) and "images" in facts:
            images = [picture(folder / index[image]["file"], composite=True) for image in facts["images"]]
            pixels = prepare_pixels(images)
            assert_is(pixels.geometry_frames, facts["output"])
            assert any("differ in shape" in note for note in pixels.notes)


def test_no_frame_is_an_error(index):
    assert index["_empty_list"] == "ValueError"
    with pytest.raises(MediaError):
        prepare_pixels([])


@pytest.mark.parametrize("source", ["copy", "golden"])
def test_sizes_grids_and_refusals_follow_the_recorded_rule(source, request):
    file = DATA / "size_rule.json"
    if source == "golden":
        file = request.getfixturevalue("folder") / "size_rule.json"
    for row in json.loads(file.read_text()):
        width, height = row["width"], row["height"]
        if "error" in row:
            with pytest.raises(MediaError, match="too wide"):
                prepare_pixels([np.zeros((height, width, 3), np.uint8)])
            continue
        assert list(geometry_size(width, height)) == row["geometry_hw"], (width, height)
        if row["n_patches"] > 1000 and (width + height) % 3:
            continue  # the rule is the same; a third of the large ones is enough to run for real
        pixels = prepare_pixels([np.zeros((height, width, 3), np.uint8)])
        assert list(pixels.geometry_frames.shape[2:]) == row["geometry_hw"]
        assert pixels.grid_thw[0].tolist() == row["grid_thw"]
        assert len(pixels.pixel_values) == row["n_patches"] == 4 * row["llm_tokens"]

"""Lists of frames with their truth: what cannot be used is told, not raised, and unequal lists are not put together."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.unit.training.objectives.scenes_of_rooms import example
from tests.unit.training.prepared_sets import FRAMES, ask, write_set
from vgcli_core.data.mixture import Part, mix
from vgcli_core.data.scene_truth import CELL, FILE, SceneTruth, to_bytes
from vgcli_core.errors import DataError
from vgcli_core.training.examples import Bad, MicroBatch
from vgcli_core.training.objectives.scenes import SceneExample, Scenes, scenes_of, softened

WIDTH, HEIGHT = 56, 28  # pixels


def truth(frames: int, width: int = WIDTH) -> bytes:
    shape = (frames, HEIGHT // CELL, width // CELL)
    depth = np.arange(1, frames + 1, dtype=np.float32)[:, None, None] * np.ones(shape, np.float32)
    cameras = np.tile(np.eye(4), (frames, 1, 1))
    return to_bytes(SceneTruth(depth, np.full(shape, -1, np.int16), (), np.empty((0, 9)), cameras, np.eye(3)))


@pytest.fixture
def scene(tmp_path):
    """Reads one sample that shows the given frames of a film whose truth is `data`; None: it has none."""

    def read(frames: tuple[str, ...], data: bytes | None, fewest: int = 1) -> SceneExample | Bad:
        prepared = write_set(tmp_path, [replace(ask("s"), frames=frames)])
        for place, name in enumerate(FRAMES):
            (tmp_path / "frames" / name).rename(tmp_path / "frames" / f"{place:06d}.png")
        if data is not None:
            (tmp_path / "frames" / FILE).write_bytes(data)
        return Scenes(mix([Part("set", prepared, "train")], seed=0)[0], frame_width=WIDTH, fewest=fewest)[0]

    return read


def test_a_list_of_frames_has_the_truth_of_its_own_frames(scene):
    found = scene(("000002.png", "000000.png"), truth(4))
    assert found.frames.shape == (2, HEIGHT, WIDTH, 3)
    assert found.depth[:, 0, 0].tolist() == [3.0, 1.0]
    assert found.tokens == 2 * 2 * 4


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (None, "the truth of its scene is not in the set"),
        (truth(4)[:100], "the truth of a scene cannot be read"),
        (truth(2), "has 2 frames, and the sample shows 000002, 000000"),
        (truth(4, width=112), "pictures 112 pixels wide, and start.frame_width is 56"),
    ],
    ids=["missing", "damaged", "of fewer frames", "of other pictures"],
)
def test_a_scene_without_the_truth_of_its_frames_is_told(scene, data, what):
    found = scene(("000002.png", "000000.png"), data)
    assert isinstance(found, Bad)
    assert what in found.reason


def test_a_list_with_too_few_frames_is_told(scene):
    found = scene(("000001.png",), truth(4), fewest=2)
    assert isinstance(found, Bad) and found.reason == "it has 1 frames, and 2 are needed"


def test_lists_of_unequal_length_or_size_are_not_put_together():
    one = example(0)
    shorter = replace(example(1), id="short", frames=example(1).frames[:2])
    with pytest.raises(DataError, match=rf"3 frames of 168x126 pixels \({one.id}\) and 2 frames") as caught:
        scenes_of(MicroBatch([one, shorter]))
    assert "batch.micro=1" in caught.value.fix
    narrow = replace(one, frames=one.frames[:, :, :84])
    with pytest.raises(DataError, match="84x126"):
        scenes_of(MicroBatch([one, narrow]))


def test_an_empty_turn_is_one_black_scene():
    (found,) = scenes_of(MicroBatch([]))
    assert not found.frames.any() and torch.equal(found.camera_to_world[0], torch.eye(4))


def test_half_of_the_lists_are_softened_and_no_colour_is_new():
    frames = torch.rand(20 * 2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    found = softened(frames, 20, seed=1)
    changed = (found != frames).flatten(1).any(1).view(20, 2)
    assert torch.equal(changed[:, 0], changed[:, 1])
    assert 5 <= int(changed[:, 0].sum()) <= 15
    assert found.std() < frames.std() and found.min() >= 0 and found.max() <= 1
    torch.testing.assert_close(found.mean(), frames.mean(), atol=0.01, rtol=0)

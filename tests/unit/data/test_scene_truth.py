"""The truth of a scene: what is written is read, and what is damaged is refused in plain words."""

from dataclasses import replace

import numpy as np
import pytest

from vgcli_core.data.scene_truth import SceneTruth, from_bytes, to_bytes
from vgcli_core.errors import DataError

TRUTH = SceneTruth(
    np.array([[[1.5, 2.0]], [[0.0, 65.0]]], np.float32),
    np.array([[[0, -1]], [[1, 1]]], np.int16),
    ("bed", "sink"),
    np.arange(18.0).reshape(2, 9),
    np.stack([np.eye(4), 2 * np.eye(4)]),
    np.diag([90.0, 90.0, 1.0]),
)


def test_what_is_written_is_read_and_frames_come_in_the_order_that_is_asked_for():
    found = from_bytes(to_bytes(TRUTH), where="here").at([1, 0])
    np.testing.assert_array_equal(found.depth, TRUTH.depth[::-1])
    np.testing.assert_array_equal(found.owner, TRUTH.owner[::-1])
    np.testing.assert_array_equal(found.camera_to_world, TRUTH.camera_to_world[::-1])
    np.testing.assert_array_equal(found.boxes, TRUTH.boxes)
    assert found.labels == TRUTH.labels


def refused(data: bytes) -> None:
    with pytest.raises(DataError, match="truth of a scene cannot be read") as caught:
        from_bytes(data, where="rooms/truth.safetensors")
    assert caught.value.where == "rooms/truth.safetensors"


@pytest.mark.parametrize("count", [0, 7, 8, 40, 300, -1])
def test_a_file_that_is_cut_off_is_refused(count):
    refused(to_bytes(TRUTH)[:count])


@pytest.mark.parametrize(
    "changes",
    [
        {"depth": TRUTH.depth[:1]},
        {"depth": TRUTH.depth[0]},
        {"owner": TRUTH.owner[:, :, :1]},
        {"owner": TRUTH.owner + 1},
        {"owner": TRUTH.owner - 1},
        {"labels": ("bed",)},
        {"boxes": TRUTH.boxes[:, :7]},
        {"boxes": np.full((2, 9), np.nan)},
        {"camera_to_world": TRUTH.camera_to_world[:1]},
        {"camera_to_world": TRUTH.camera_to_world[:, :3]},
        {"intrinsics": np.eye(4)},
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(changes):
    refused(to_bytes(replace(TRUTH, **changes)))


@pytest.mark.parametrize("labels", ["[1, 2", "null", "3"])
def test_labels_that_are_no_list_are_refused(labels):
    written = rb"[\"bed\", \"sink\"]"
    assert written in to_bytes(TRUTH)
    refused(to_bytes(TRUTH).replace(written, labels.encode().ljust(len(written))))

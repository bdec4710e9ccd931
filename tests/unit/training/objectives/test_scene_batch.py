"""Scenes that are put together: their points and matches are the rooms' own geometry."""

import numpy as np
import pytest
import torch

from tests.unit.training.objectives.scenes_of_rooms import SETTINGS, example
from vgcli_core.data.rooms.generate import make_room
from vgcli_core.geometry.boxes import rotations
from vgcli_core.training.objectives.scene_batch import matches, mirrored, points_of, reversed_, scene_batch

CPU = torch.device("cpu")
SIZE = (9, 12)  # patches of 168x126 pixels


@pytest.fixture(scope="module")
def batch():
    return scene_batch([example(0), example(3)], CPU)


def test_points_are_those_of_the_objects_that_own_the_cells(batch):
    points = points_of(batch)[0].numpy()
    one = example(0)
    room = make_room(0, 0, SETTINGS)
    first = room.cameras_to_world[0]
    world = points @ first[:3, :3].T + first[:3, 3]
    shown = [number for number in range(len(room.things)) if (one.owner == number).any()]
    assert len(shown) > 3
    for number in shown:
        box = room.things[number].box
        own = world[(one.owner == number).numpy()]
        inside = np.abs((own - box[:3]) @ rotations(box[None, 6:])[0]) - box[3:6] / 2
        assert inside.max() < 0.01


def test_a_mirrored_scene_is_the_one_that_a_mirror_shows(batch):
    points, other = points_of(batch), points_of(mirrored(batch, torch.tensor([True, False])))
    flip = torch.tensor([-1.0, 1, 1])
    torch.testing.assert_close(other[0], points[0].flip(2) * flip, atol=1e-4, rtol=0)
    torch.testing.assert_close(other[1], points[1])


def test_a_reversed_scene_has_its_points_in_the_last_camera(batch):
    found = reversed_(batch, torch.tensor([True, False]))
    last = torch.linalg.inv(batch.cameras[0, -1])
    expected = points_of(batch)[0] @ last[:3, :3].T + last[:3, 3]
    torch.testing.assert_close(points_of(found)[0], expected.flip(0), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.cameras[0, 0], torch.eye(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.frames[1], batch.frames[1])


def test_a_camera_that_stands_still_sees_every_patch_where_it_was(batch):
    still = scene_batch([example(0)], CPU)
    still.cameras[:] = torch.eye(4)
    still.depth[:] = still.depth[:, :1]
    shares = matches(still, points_of(still), SIZE)
    patches = torch.eye(SIZE[0] * SIZE[1])
    torch.testing.assert_close(shares[0, 1, :, 0], patches, atol=1e-3, rtol=0)
    assert shares[0, 1, :, 1].abs().max() == 0  # its own frame is no match


def test_what_is_matched_looks_alike_and_what_is_hidden_is_not_matched(batch):
    shares = matches(batch, points_of(batch), SIZE)
    total = shares.sum(-1)
    assert ((total < 1e-6) | ((total - 1).abs() < 1e-4)).all()
    assert 0.1 < (total[:, 1, :, 0] > 0).float().mean() < 1.0
    colours = torch.nn.functional.avg_pool2d(batch.frames[0], 14).flatten(2).mT  # [F, N, 3]
    seen = total[0, 1, :, 0] > 0
    there = (shares[0, 1, :, 0] @ colours[0])[seen]
    apart = (there - colours[1][seen]).abs().mean()
    anywhere = (colours[0][:, None] - colours[1][None]).abs().mean()
    assert apart < 0.4 * anywhere

"""Which convention angles follow: declared, known by published wording, or refused; and the test on data."""

import numpy as np
import pytest

from vgcli_core.errors import ConventionError
from vgcli_core.geometry.boxes import transform
from vgcli_core.geometry.camera import relative_pose
from vgcli_core.geometry.conventions import convention_of, uprightness

OLD = 'the frame index in "frame" and its 3D bounding box in "box_3d"'
NEW = 'the frame index in "frame" and its 3D bounding box in "bbox_3d"'


@pytest.mark.parametrize(
    ("declared", "prompt", "expected"),
    [
        ("ZXY", "", "ZXY"),
        ("zxy", NEW, "zxy"),  # what is declared wins
        (None, OLD, "zxy"),
        (None, NEW, "ZXY"),
        (None, "[x_center, ..., yaw, roll, pitch]", "ZXY"),
        (None, "[x_center, ..., yaw, pitch, roll]", "zxy"),
    ],
)
def test_the_convention_is_declared_or_known_by_the_prompts_wording(declared, prompt, expected):
    assert convention_of(declared, prompt=prompt) == expected


@pytest.mark.parametrize(("declared", "prompt"), [(None, ""), (None, "where is it?"), (None, OLD + NEW), ("xyz", "")])
def test_anything_else_is_refused_with_the_way_to_state_it(declared, prompt):
    with pytest.raises(ConventionError) as refusal:
        convention_of(declared, prompt=prompt, where="boxes.json", how='add "euler_convention" to every line')
    assert refusal.value.where == "boxes.json"
    assert '"zxy"' in refusal.value.fix
    if declared is None:
        assert "add " in refusal.value.fix


def camera(tilt: float, heading: float) -> np.ndarray:
    """A camera 1.5 m above the floor that looks down by `tilt` and towards `heading`, camera to world."""
    forward = np.array([np.cos(tilt) * np.cos(heading), np.cos(tilt) * np.sin(heading), -np.sin(tilt)])
    right = np.array([np.sin(heading), -np.cos(heading), 0])
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([right, np.cross(forward, right), forward])
    pose[:3, 3] = [0.3, -0.2, 1.5]
    return pose


def furniture(count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Upright boxes of a room, each in the camera that sees it, and these cameras' poses."""
    rng = np.random.default_rng(0)
    yaw = rng.uniform(-3, 3, (count, 1))
    world = np.hstack([rng.uniform(-2, 2, (count, 3)), rng.uniform(0.3, 2, (count, 3)), yaw, np.zeros((count, 2))])
    poses = np.array([camera(rng.uniform(0.1, 0.8), rng.uniform(-3, 3)) for _ in range(count)])
    seen = [transform(box[None], relative_pose(np.eye(4), pose))[0] for box, pose in zip(world, poses, strict=True)]
    return np.array(seen), poses


@pytest.mark.parametrize("with_poses", [True, False])
def test_upright_furniture_tells_a_right_declaration_from_a_wrong_one(with_poses):
    boxes, poses = furniture()
    right = uprightness(boxes, "ZXY", poses if with_poses else None)
    wrong = uprightness(boxes, "zxy", poses if with_poses else None)
    assert right.declared == 1
    assert not right.suspicious
    assert wrong.suspicious
    assert (right.n, right.other) == (wrong.n, wrong.declared)


def test_boxes_with_one_angle_say_nothing():
    plain = np.array([[0.0, 0, 2, 1, 1, 1, 0.7, 0, 0]])
    assert uprightness(plain, "zxy").n == 0
    assert not uprightness(plain, "zxy").suspicious
    assert uprightness(np.empty((0, 9)), "ZXY").n == 0

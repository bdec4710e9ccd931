"""The model that ships answers: rooms that nobody has seen are made here, and it finds their furniture."""

import numpy as np
import pytest

from vgcli_core.data.rooms.film import film
from vgcli_core.data.rooms.generate import make_room
from vgcli_core.data.rooms.options import settings_of
from vgcli_core.data.rooms.shown import shown
from vgcli_core.data.sources.rooms import DATASET
from vgcli_core.data.tasks.posed import boxes_from
from vgcli_core.geometry.boxes import as_array
from vgcli_core.geometry.overlap import iou
from vgcli_core.model.config import CONFIG_NAME
from vgcli_core.model.weights import read_json
from vgcli_core.predict.loading import SHIPPED, load

FRESH = 424_242  # a seed that no set was made with
ROOMS, FOUND = 20, 10


@pytest.fixture(scope="module")
def demo():
    if not (SHIPPED / "model.safetensors").is_file():
        pytest.skip(f"the demo model is not in {SHIPPED}: nothing is known of its answers")
    if read_json(SHIPPED / CONFIG_NAME).get("untrained"):
        pytest.skip("the model in its place was never trained")
    return load()


def test_furniture_of_fresh_rooms_is_found_and_answers_change_with_the_room(demo, tmp_path):
    settings = settings_of(DATASET.options_with({"preset": "demo"}))
    overlaps, texts = [], {}
    for number in range(3 * ROOMS):
        if len(overlaps) == ROOMS:
            break
        filmed = film(make_room(FRESH, number, settings))
        named = shown(filmed, range(4)).named
        if not named:
            continue
        # The one that most pixels show, so that nothing is asked that a person would not find at once.
        thing = max(named, key=lambda one: filmed.pixels[:, one].max())
        folder = tmp_path / filmed.room.name
        folder.mkdir()
        for index, jpeg in enumerate(filmed.jpegs):
            (folder / f"{index:05d}.jpg").write_bytes(jpeg)
        answer = demo.ask(folder, f"where is the {filmed.room.things[thing].label}?").answers[0]
        texts[filmed.room.name] = answer.text
        overlap = 0.0
        if answer.boxes:
            found = answer.boxes[0]
            pose = filmed.room.cameras_to_world[found.frame]
            true = as_array(boxes_from(filmed.room.things[thing].box[None], [""], pose))
            overlap = float(iou(as_array([found.box]), true)[0, 0])
        overlaps.append(overlap)
    assert len(overlaps) == ROOMS
    assert len(set(texts.values())) == ROOMS
    assert (np.array(overlaps) >= 0.25).sum() >= FOUND, np.round(overlaps, 2).tolist()

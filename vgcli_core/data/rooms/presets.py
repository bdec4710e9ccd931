"""Options of the dataset "rooms" under one name."""

from collections.abc import Mapping

from vgcli_core.data.base import OptionValue

DEMO: Mapping[str, OptionValue] = {
    "tasks": "ground,ground_relational,caption,detect_4,ask",
    "texts": 1,
    "questions": 1,
    "answers_in": "first",
    "naming": "least_rotated",
    "zeros": True,
    "truth": True,
    # One window, all of the film.
    "interval": 1,
    "windows": 1,
    "width": 168,
    "height": 126,
    "film_frames": 4,
    "fps": 1.0,
    "room_side": "3.6:5.6",
    "room_height": "2.5:2.5",
    "things": "5:9",
    "clutter": "0:2",
    "object_scale": "0.85:1.2",
    "categories": "bed,couch,table,desk,bathtub,refrigerator,cabinet,bookshelf,armchair,stove,sink,washing machine,"
    "toilet,chair",
    "several": 0.3,
    "mixed": True,
    "camera_height": "1.0:1.8",
    "horizontal_fov": "65:85",
    "walk": "0.4:1.5",
    "pan": "25:75",
    "pitch_down": "8:28",
}
"""Small rooms of large furniture, four pictures each: what a model of a few million parameters learns in hours."""

PRESETS: Mapping[str, Mapping[str, OptionValue]] = {"demo": DEMO}

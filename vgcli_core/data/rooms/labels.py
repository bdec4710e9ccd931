"""What labels mean: which of them people mix up, their classes in NYU40, and the names that EmbodiedScan uses.

Things carry ScanNet's raw names. Source: scannetv2-labels.combined.tsv (columns raw_category and nyu40id), and the
categories that detection is scored over.
"""

from collections.abc import Mapping

NYU40: Mapping[str, int] = {
    "armchair": 5,
    "backpack": 37,
    "bathtub": 36,
    "bed": 4,
    "book": 23,
    "bookshelf": 10,
    "box": 29,
    "cabinet": 3,
    "ceiling": 22,
    "chair": 5,
    "coffee table": 7,
    "couch": 6,
    "desk": 14,
    "door": 8,
    "dresser": 17,
    "floor": 2,
    "lamp": 35,
    "laptop": 40,
    "microwave": 40,
    "monitor": 40,
    "nightstand": 32,
    "ottoman": 39,
    "picture": 11,
    "pillow": 18,
    "plant": 40,
    "refrigerator": 24,
    "sink": 34,
    "stool": 40,
    "stove": 39,
    "table": 7,
    "toilet": 33,
    "trash can": 39,
    "tv": 25,
    "wall": 1,
    "washing machine": 39,
    "window": 9,
}
"""Label -> its class among the 40 of NYU; labels that are missing count as 39, other furniture."""

_EMBODIEDSCAN: Mapping[str, str] = {"nightstand": "stand", "trash can": "bin"}


# People say "table" of a coffee table or a desk, and nobody could tell which one is meant.
_ALIKE = (
    frozenset({"table", "coffee table", "desk"}),
    frozenset({"chair", "armchair"}),
    frozenset({"stool", "ottoman"}),
    frozenset({"cabinet", "dresser", "nightstand"}),
    frozenset({"tv", "monitor"}),
)

LIKE_CLUTTER = "box"
"""The label of things that look like a room's unnamed boxes: where there are some, it means nothing."""


def alike(label: str, other: str) -> bool:
    """Tell whether a thing of one label might be called by the other."""
    return label == other or any({label, other} <= group for group in _ALIKE)


UNNAMED = "object"
"""What EmbodiedScan calls things that have no name; detection asks for none of them."""


def detection_label(label: str) -> str:
    """Return the name of a label in detection, which follows EmbodiedScan: "trash can" is "bin" there."""
    return _EMBODIEDSCAN.get(label, label)

"""What rooms are used as, and what belongs into them."""

from collections.abc import Mapping

# Use of a room -> what it always has (where it fits), and weights of what else it may have.
KINDS: Mapping[str, tuple[tuple[str, ...], Mapping[str, float]]] = {
    "bedroom": (
        ("bed", "nightstand"),
        {"nightstand": 2, "dresser": 2, "cabinet": 2, "chair": 2, "desk": 1.5, "lamp": 3, "plant": 1, "armchair": 1}
        | {"ottoman": 1, "box": 2, "trash can": 1.5, "bookshelf": 1, "picture": 1, "backpack": 1, "pillow": 4}
        | {"tv": 1, "laptop": 1, "book": 2, "monitor": 1, "stool": 0.5},
    ),
    "living room": (
        ("couch", "coffee table"),
        {
            "armchair": 3,
            "couch": 1,
            "cabinet": 2,
            "tv": 2,
            "bookshelf": 2,
            "lamp": 3,
            "plant": 2,
            "table": 2,
            "chair": 3,
        }
        | {"ottoman": 2, "picture": 1, "pillow": 3, "book": 2, "dresser": 1, "box": 1, "stool": 1, "laptop": 1},
    ),
    "kitchen": (
        ("refrigerator", "sink", "stove", "table"),
        {"cabinet": 4, "chair": 6, "stool": 2, "microwave": 2, "trash can": 2, "washing machine": 1.5, "plant": 1}
        | {"picture": 0.5, "box": 2, "table": 0.5, "book": 1, "lamp": 0.5},
    ),
    "bathroom": (
        ("toilet", "sink", "bathtub"),
        {
            "cabinet": 3,
            "washing machine": 2,
            "trash can": 3,
            "stool": 2,
            "plant": 2,
            "box": 2,
            "sink": 1,
            "picture": 0.5,
        }
        | {"chair": 1, "ottoman": 1, "lamp": 1},
    ),
    "office": (
        ("desk", "chair", "bookshelf"),
        {"desk": 2.5, "chair": 4, "bookshelf": 1.5, "cabinet": 2, "monitor": 4, "laptop": 2, "lamp": 2, "trash can": 2}
        | {"plant": 2, "backpack": 2, "box": 2, "table": 1, "picture": 0.5, "book": 2, "armchair": 0.5},
    ),
    "studio": (
        (),
        {"bed": 1.5, "couch": 1.5, "table": 2, "desk": 1.5, "chair": 4, "cabinet": 2, "bookshelf": 1.5, "lamp": 2}
        | {"trash can": 2, "refrigerator": 1.5, "tv": 2, "toilet": 1, "bathtub": 1, "sink": 1.5, "plant": 2}
        | {"pillow": 2, "box": 2, "ottoman": 1.5, "stool": 1.5, "monitor": 1.5, "armchair": 1.5, "stove": 1}
        | {"nightstand": 1.5, "dresser": 1, "washing machine": 1, "microwave": 1, "backpack": 1, "coffee table": 1},
    ),
}

"""The categories of things: how each is built of parts, and where it belongs.

Labels are raw ScanNet names, so that they map to NYU40 classes. Sizes are those of usual furniture, in metres.
"""

from dataclasses import dataclass
from typing import Literal

from vgcli_core.data.rooms.large_pieces import (
    armchair,
    bathtub,
    bed,
    bookshelf,
    cabinet,
    chair,
    coffee_table,
    couch,
    desk,
    dresser,
    nightstand,
    refrigerator,
    sink,
    stove,
    table,
    toilet,
    washing_machine,
)
from vgcli_core.data.rooms.pieces import Maker
from vgcli_core.data.rooms.small_pieces import (
    backpack,
    book,
    box,
    floor_lamp,
    laptop,
    microwave,
    monitor,
    ottoman,
    picture,
    pillow,
    plant,
    small_plant,
    stool,
    table_lamp,
    television,
    trash_can,
)

# "wall": its back to a wall; "free": anywhere, at any yaw; "any": one or the other; "hung": on a wall, above the floor;
# "top": on another thing.
Where = Literal["wall", "free", "any", "hung", "top"]


@dataclass(frozen=True, slots=True)
class Category:
    """One category.

    Attributes:
        make: draws a piece of its usual size.
        where: where it belongs.
        make_small: draws the form that stands on other things, where it has one.
    """

    make: Maker
    where: Where
    make_small: Maker | None = None


CATEGORIES: dict[str, Category] = {
    "armchair": Category(armchair, "any"),
    "backpack": Category(backpack, "any"),
    "bathtub": Category(bathtub, "wall"),
    "bed": Category(bed, "wall"),
    "book": Category(book, "top", book),
    "bookshelf": Category(bookshelf, "wall"),
    "box": Category(box, "any", box),
    "cabinet": Category(cabinet, "wall"),
    "chair": Category(chair, "free"),
    "coffee table": Category(coffee_table, "free"),
    "couch": Category(couch, "wall"),
    "desk": Category(desk, "wall"),
    "dresser": Category(dresser, "wall"),
    "lamp": Category(floor_lamp, "any", table_lamp),
    "laptop": Category(laptop, "top", laptop),
    "microwave": Category(microwave, "top", microwave),
    "monitor": Category(monitor, "top", monitor),
    "nightstand": Category(nightstand, "wall"),
    "ottoman": Category(ottoman, "free"),
    "picture": Category(picture, "hung"),
    "pillow": Category(pillow, "top", pillow),
    "plant": Category(plant, "any", small_plant),
    "refrigerator": Category(refrigerator, "wall"),
    "sink": Category(sink, "wall"),
    "stool": Category(stool, "free"),
    "stove": Category(stove, "wall"),
    "table": Category(table, "free"),
    "toilet": Category(toilet, "wall"),
    "trash can": Category(trash_can, "any"),
    "tv": Category(television, "top", television),
    "washing machine": Category(washing_machine, "wall"),
}

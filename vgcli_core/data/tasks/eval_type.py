"""Whether a described object is the only one of its class in its scan.

Source: formats of ScanRefer, section 2: classes in the NYU40 numbering, counted among the objects that have at least
one description in the file of the split.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

# Wall (1) and floor (2) are classes of their own here, although the published script's comment says otherwise.
CLASSES = frozenset({*range(1, 13), 14, 16, 24, 28, 33, 34, 36, 39})
OTHER = 39  # "other furniture": all else, and names that the table lacks

Key = tuple[str, str, str]  # scene, object id, object name


def kinds(objects: Iterable[Key], nyu40: Mapping[str, int]) -> dict[Key, str]:
    """Return "unique" or "multiple" for each described object.

    Args:
        objects: the described objects of one split, repeated as often as they are described.
        nyu40: name of a category, with blanks -> its id among the 40 classes of NYU.
    """
    members: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    classes: dict[Key, int] = {}
    for scene, object_id, name in objects:
        number = nyu40.get(name.replace("_", " "), OTHER)
        number = number if number in CLASSES else OTHER
        classes[scene, object_id, name] = number
        members[scene, number].add(object_id)
    return {key: "unique" if len(members[key[0], number]) == 1 else "multiple" for key, number in classes.items()}

"""The points and boxes that SPAR questions speak of ("the chair (red point)"), drawn on frames at source size.

Coordinates are per mille of width and height, origin top left, wrapped in one more list: `"red_point": [[x, y]]`,
`"red_bbox": [[x0, y0, x1, y1]]`. Marks have fixed sizes in pixels, so they look larger on smaller frames. Which fields
are drawn, on which frame and in which order (later ones cover earlier ones) depends on the question type; released
weights saw exactly these pictures, so the odd choices are kept: green is Pillow's dark "green", `position_matching`
never shows its blue box, the third box of `spatial_imagination_*_mv` stands before the first.

Points and boxes are Pillow's; four types carry text and need OpenCV 4 (`media.marker_labels`).
Source: drawing of SPAR-7M as VG-LLM trains with it (formats of SPAR-7M, section 2).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from vgcli_core.errors import MediaError
from vgcli_core.media.images import Pixels
from vgcli_core.media.marker_labels import draw_labelled_box, draw_labelled_point

_RADIUS = 20  # pixels, of a point: 41 wide
_STROKE = 20  # pixels, of a box; it grows inwards
_MARGIN = 17.5  # a box is enlarged by 7/8 of the stroke on each side before it is cut to whole pixels
_FAR = 1e6  # pixels: no coordinate of a picture is that large, and integers of drawing libraries overflow not far above
_FIX = "drop the row, or take spar_info as SPAR distributes it"

Size = tuple[int, int]

NOMINAL: Size = (1296, 968)
"""Width and height in pixels of most of SPAR's frames, to judge marks by where the frames are not there."""

# One picture: the fields that are drawn, in order. Their names begin with the colour.
_ALONE: Mapping[str, tuple[str, ...]] = {
    "obj_spatial_relation_oo": ("red_bbox", "blue_bbox"),
    "depth_prediction_oc": ("red_point", "blue_point"),
    "depth_prediction_oo": ("red_point", "blue_point", "green_point"),
    "distance_prediction_oc": ("red_point",),
    "distance_prediction_oo": ("red_point", "blue_point"),
    "distance_infer_center_oo": ("red_point", "blue_point", "green_point"),
    "spatial_volume_infer": ("red_bbox",),
    "spatial_imagination_oc": ("red_bbox", "blue_bbox", "green_bbox"),
    "spatial_imagination_oo": ("red_bbox", "blue_bbox", "green_bbox", "yellow_bbox"),
}
# Several pictures: fields in drawing order, each with its place in `point_img_idx[0]` or `bbox_img_idx[0]`.
_LISTED: Mapping[str, tuple[tuple[str, int], ...]] = {
    "depth_prediction_oc_mv": (("red_point", 0), ("blue_point", 1)),
    "depth_prediction_oo_mv": (("red_point", 0), ("blue_point", 1), ("green_point", 2)),
    "distance_prediction_oc_mv": (("red_point", 0),),
    "distance_prediction_oo_mv": (("red_point", 0), ("blue_point", 1)),
    "distance_prediction_oo_video": (("red_point", 0), ("blue_point", 1)),
    "distance_infer_center_oo_mv": (("red_point", 0), ("green_point", 1), ("blue_point", 2)),
    "spatial_imagination_oc_mv": (("red_bbox", 2), ("green_bbox", 0), ("blue_bbox", 1)),
    "spatial_imagination_oo_mv": (("red_bbox", 2), ("green_bbox", 0), ("blue_bbox", 1), ("yellow_bbox", 3)),
    "obj_frame_locate": (("red_bbox", 0),),
}
# Several pictures, by rules of their own; see `_listed_fields`.
_RULED = frozenset({"position_matching", "obj_spatial_relation_oc_mv", "obj_spatial_relation_oo_mv"})
# Several pictures, with text. Boxes "object0", "object1", ... in the order of bbox_img_idx[0].
_NAMED_BOXES: Mapping[str, tuple[str, ...]] = {
    "spatial_imagination_oc_video": ("green_bbox", "blue_bbox", "red_bbox"),
    "spatial_imagination_oo_video": ("green_bbox", "blue_bbox", "red_bbox", "yellow_bbox"),
}
_MAP = "spatial_imagination_map_mv"
_CENTRES = "distance_infer_center_oo_video"

UNMARKED = frozenset(
    {
        *("distance_infer_center_oc", "distance_infer_center_oc_mv", "view_change_infer", "camera_motion_infer"),
        *("spatial_imagination_oc_video_hard", "spatial_imagination_oo_video_hard", "appearance_order"),
        *("room_size", "obj_count", "nav"),
    }
)
"""Question types whose pictures stay as they are, even where their rows carry points."""

LABELLED = frozenset({_MAP, _CENTRES, *_NAMED_BOXES})
"""Question types whose marks carry text, which needs OpenCV 4 (the extra `spar`)."""

TYPES = UNMARKED | LABELLED | _RULED | _ALONE.keys() | _LISTED.keys()
"""All 35 question types of SPAR-7M."""

# The reference draws these two through OpenCV without a change of channel order: its (0, 0, 255) shows as blue.
_LABEL_MARK, _LABEL_TEXT = (0, 0, 255), (0, 255, 0)
# The other two go through a change of order and back, but yellow was given in the wrong one and comes out as cyan.
_PLATES = {"green": (0, 255, 0), "blue": (0, 0, 255), "red": (255, 0, 0), "yellow": (0, 225, 225)}


def draw_markers(images: Sequence[Pixels], info: Mapping[str, Any]) -> list[Pixels]:
    """Return the frames of a question with its marks.

    Args:
        images: each [H, W, 3] uint8 RGB, at the size of the source (before any resize). Never changed: a frame
            without marks is returned as it is, one with marks as a copy.
        info: marker fields and "type": the parsed `spar_info` of the row.

    Raises:
        MediaError: an unknown type, a field that is missing or of another form, a frame index that does not exist,
            swapped corners, or one frame where the type needs several (or the other way round): whatever makes the
            reference lose the sample.
        VgllmError: the type is one of LABELLED, and OpenCV 4 is not installed.
    """
    kind = _type(info)
    for image in images:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise _wrong(f"a frame of shape {image.shape} and type {image.dtype}", kind, "give [H, W, 3] uint8 RGB")
    drawn = list(images)
    if kind in UNMARKED:
        return drawn
    _check_count(len(drawn), kind)
    for mark in _marks(info, kind):
        place = _frame(mark.frame, len(drawn), kind)
        drawn[place] = _draw(drawn[place], mark, kind)
    return drawn


def check_markers(info: Mapping[str, Any], sizes: Sequence[Size | None]) -> None:
    """Check that `draw_markers` can draw a question's marks, without the frames' pixels.

    Args:
        info: as `draw_markers` takes it.
        sizes: width and height of each frame; None where that is not known. Corners that are slightly swapped give a
            box on small frames and none on large ones: they are judged on frames of a known size only.

    Raises:
        MediaError: as `draw_markers`.
    """
    kind = _type(info)
    if kind in UNMARKED:
        return
    _check_count(len(sizes), kind)
    for mark in _marks(info, kind):
        size = sizes[_frame(mark.frame, len(sizes), kind)]
        if _is_point(mark):
            _scaled(mark, size or NOMINAL, kind)
            continue
        x0, y0, x1, y1 = _rim(_scaled(mark, (size or NOMINAL) * 2, kind))
        if size and not mark.label and (x0 > x1 or y0 > y1):
            raise _wrong(f"{mark.field} has swapped corners", kind, _FIX)


@dataclass(frozen=True, slots=True)
class _Mark:
    """One mark: per mille coordinates (two of a point, four of a box), its frame as given, its text if it has one."""

    field: str
    where: Any
    frame: Any
    label: str = ""


def _marks(info: Mapping[str, Any], kind: str) -> Iterator[_Mark]:
    if kind in _ALONE:
        yield from (_Mark(name, _inner(info, name, kind), 0) for name in _ALONE[kind])
    elif kind == "position_matching":
        yield _Mark("red_bbox", _inner(info, "red_bbox", kind), 0)
    elif kind == _MAP:
        for number, box in enumerate(_inner(info, "bbox_list", kind)):
            yield _Mark("bbox_list", box, _entry(info, "bbox_img_idx", number, kind), f"object{number}")
    elif kind == _CENTRES:
        for number, point in enumerate(_inner(info, "point_list", kind)):
            name = f"object{number - 1}" if number else "objectA"
            yield _Mark("point_list", point, _entry(info, "point_img_idx", number, kind), name)
    else:
        for name, entry in _listed_fields(info, kind):
            indices = "point_img_idx" if name.endswith("point") else "bbox_img_idx"
            label = f"object{entry}" if kind in LABELLED else ""
            yield _Mark(name, _inner(info, name, kind), _entry(info, indices, entry, kind), label)


def _listed_fields(info: Mapping[str, Any], kind: str) -> Sequence[tuple[str, int]]:
    """Return the fields to draw, and the place of each one's frame in the list of indices."""
    if kind in _LISTED:
        return _LISTED[kind]
    if kind in _NAMED_BOXES:
        return [(name, entry) for entry, name in enumerate(_NAMED_BOXES[kind])]
    boxes = ("red_bbox", "blue_bbox", "green_bbox")
    if kind == "obj_spatial_relation_oc_mv":
        return [(name, 0) for name in boxes if info.get(name)]
    # obj_spatial_relation_oo_mv: the first colour that is absent is left out, and the other two are needed.
    absent = next((name for name in boxes if info.get(name) is None), None)
    if absent is None:
        raise _wrong("boxes of all three colours where two are expected", kind, _FIX)
    return [(name, entry) for entry, name in enumerate(name for name in boxes if name != absent)]


def _draw(image: Pixels, mark: _Mark, kind: str) -> Pixels:
    height, width = image.shape[:2]
    if _is_point(mark):
        x, y = _scaled(mark, (width, height), kind)
        if mark.label:
            return draw_labelled_point(image, (int(x), int(y)), mark.label, mark=_LABEL_MARK, text=_LABEL_TEXT)
        corners = (int(x) - _RADIUS, int(y) - _RADIUS, int(x) + _RADIUS, int(y) + _RADIUS)
        return _pillow(image, kind, lambda draw: draw.ellipse(corners, fill=_colour(mark)))
    pixels = _scaled(mark, (width, height, width, height), kind)
    if mark.label:
        x0, y0, x1, y1 = map(int, pixels)
        box = (x0, y0, x1, y1)
        plate = None if kind == _MAP else _PLATES[_colour(mark)]
        return draw_labelled_box(image, box, mark.label, mark=plate or _LABEL_MARK, text=_LABEL_TEXT, plate=bool(plate))
    rim = _rim(pixels)
    return _pillow(image, kind, lambda draw: draw.rectangle(rim, outline=_colour(mark), width=_STROKE))


def _rim(pixels: Sequence[float]) -> tuple[int, int, int, int]:
    """Return the outer corners of a box's stroke."""
    x0, y0, x1, y1 = pixels
    return int(x0 - _MARGIN), int(y0 - _MARGIN), int(x1 + _MARGIN), int(y1 + _MARGIN)


def _pillow(image: Pixels, kind: str, stroke: Callable[[ImageDraw.ImageDraw], None]) -> Pixels:
    picture = Image.fromarray(image)
    try:
        stroke(ImageDraw.Draw(picture))
    except ValueError as error:
        raise _wrong(f"a box that cannot be drawn: {error}", kind, _FIX) from error
    return np.array(picture)


def _is_point(mark: _Mark) -> bool:
    return "point" in mark.field


def _colour(mark: _Mark) -> str:
    return mark.field.partition("_")[0]


def _scaled(mark: _Mark, sizes: Sequence[int], kind: str) -> list[float]:
    """Return pixels: per mille times the size, divided first, as truncation to whole pixels depends on the order."""
    values = mark.where
    if not isinstance(values, Sequence) or len(values) != len(sizes) or not all(map(_is_number, values)):
        raise _wrong(f"{mark.field} holds {values!r:.60} instead of {len(sizes)} numbers", kind, _FIX)
    pixels = [value / 1000 * size for value, size in zip(values, sizes, strict=True)]
    if not all(abs(pixel) < _FAR for pixel in pixels):  # also false for NaN
        raise _wrong(f"{mark.field} holds {values!r:.60}, far outside of the frame", kind, _FIX)
    return pixels


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _inner(info: Mapping[str, Any], field: str, kind: str) -> Sequence[Any]:
    """Return the list inside the list of a field."""
    outer = info.get(field)
    if isinstance(outer, Sequence) and outer and isinstance(outer[0], Sequence) and not isinstance(outer, str):
        inner: Sequence[Any] = outer[0]
        return inner
    what = f"{field} is missing" if outer is None else f"{field} holds {outer!r:.60} instead of a list in a list"
    raise _wrong(what, kind, _FIX)


def _entry(info: Mapping[str, Any], field: str, number: int, kind: str) -> Any:
    entries = _inner(info, field, kind)
    if number >= len(entries):
        raise _wrong(f"{field} has {len(entries)} entries, and entry {number} is needed", kind, _FIX)
    return entries[number]


def _frame(index: object, count: int, kind: str) -> int:
    """Return the frame as a position from the start. A negative one counts from the end, as in the reference."""
    if not isinstance(index, int) or not -count <= index < count:
        raise _wrong(f"frame {index!r:.20} is marked, and there are {count} frames", kind, _FIX)
    return index % count


def _check_count(count: int, kind: str) -> None:
    if (count == 1) != (kind in _ALONE):
        needed = "one frame is" if kind in _ALONE else "several frames are"
        raise _wrong(f"{count} frame(s) where {needed} expected", kind, _FIX)


def _type(info: Mapping[str, Any]) -> str:
    kind = info.get("type")
    if isinstance(kind, str) and kind in TYPES:
        return kind
    near = get_close_matches(kind, TYPES, n=1) if isinstance(kind, str) else []
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise MediaError(
        f"{kind!r:.60} is no question type of SPAR",
        where="spar_info, type",
        fix=f"{hint}known: {', '.join(sorted(TYPES))}",
    )


def _wrong(what: str, kind: str, fix: str) -> MediaError:
    return MediaError(what, where=f"markers of {kind}", fix=fix)

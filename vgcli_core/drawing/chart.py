"""Line charts with Pillow alone: panels above one axis, drawn at twice the size and scaled down, for smooth lines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10
from typing import Literal, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from vgcli_core.drawing.labels import Color, Font, fit
from vgcli_core.drawing.wrapping import drawable

_SCALE = 2
_LEFT, _RIGHT, _TOP, _BOTTOM, _GAP = 72, 26, 66, 50, 30  # pixels around and between the panels
_PAPER, _INK, _FADED, _GRID = (255, 255, 255), (34, 38, 46), (104, 110, 122), (231, 233, 238)
_WIDTHS = {"line": 2.4, "faint": 1.0, "dots": 1.2}
_DOT = 4.0
_LOG_FROM = 10  # times the least value: then the axis is logarithmic
_LOG_DECADES = 6  # below the largest value, smaller ones lie on the floor

Style = Literal["line", "faint", "dots"]


@dataclass(frozen=True, slots=True)
class Curve:
    """Points (x, y) from left to right; dots are joined by a thin line. "" as a label keeps it out of the legend."""

    label: str
    color: Color
    points: Sequence[tuple[float, float]]
    style: Style = "line"


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves that share an axis; `share` is its part of the height. The axis starts at 0 with `from_zero`."""

    name: str
    curves: Sequence[Curve]
    share: float = 1.0
    from_zero: bool = False


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class _Axis:
    """Values from `low` to `high`, spread over [0, 1], and the round ones among them."""

    low: float
    high: float
    log: bool
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        if self.log:
            return (log10(max(value, self.low)) - log10(self.low)) / (log10(self.high) - log10(self.low))
        return (value - self.low) / (self.high - self.low)


def draw_chart(title: str, x_name: str, panels: Sequence[Panel], *, size: tuple[int, int] = (900, 500)) -> Image.Image:
    """Return a picture of panels one below the other.

    The axis of a panel is logarithmic where its values are positive and the largest is over ten times the least;
    points that are not finite are left out.

    Args:
        title: above all.
        x_name: below all.
        panels: from the top.
        size: width and height in pixels.
    """
    image = Image.new("RGB", (size[0] * _SCALE, size[1] * _SCALE), _PAPER)
    draw = ImageDraw.Draw(image)
    across = _linear([x for panel in panels for curve in panel.curves for x, _ in _finite(curve)], whole=True)
    used = _legend(draw, [curve for panel in panels for curve in panel.curves], size[0])
    font = _font(17)
    draw.text(
        _scaled(_LEFT, 27), fit(drawable(title), font, (size[0] - _LEFT - used) * _SCALE), _INK, font, anchor="lm"
    )
    free = size[1] - _TOP - _BOTTOM - _GAP * (len(panels) - 1)
    top = float(_TOP)
    for panel in panels:
        bottom = top + free * panel.share / sum(one.share for one in panels)
        _draw_panel(draw, _Box(_LEFT, top, size[0] - _RIGHT, bottom), panel, across)
        top = bottom + _GAP
    floor_of_all = top - _GAP
    for tick in across.ticks:
        x = _LEFT + across.place(tick) * (size[0] - _RIGHT - _LEFT)
        draw.text(_scaled(x, floor_of_all + 14), f"{tick:,.0f}", _FADED, _font(12), anchor="mm")
    draw.text(_scaled((_LEFT + size[0] - _RIGHT) / 2, size[1] - 14), drawable(x_name), _FADED, _font(12), anchor="mm")
    return image.resize(size, Image.Resampling.LANCZOS)


def _draw_panel(draw: ImageDraw.ImageDraw, box: _Box, panel: Panel, across: _Axis) -> None:
    values = [y for curve in panel.curves for _, y in _finite(curve)]
    axis = _axis(values, from_zero=panel.from_zero, most=max(2, round((box.bottom - box.top) / 45)))

    def place(x: float, y: float) -> tuple[float, float]:
        return _scaled(
            box.left + across.place(x) * (box.right - box.left), box.bottom - axis.place(y) * (box.bottom - box.top)
        )

    for tick in axis.ticks:
        (_, y) = place(across.low, tick)
        draw.line((box.left * _SCALE, y, box.right * _SCALE, y), _GRID, _SCALE)
        draw.text((box.left * _SCALE - 8 * _SCALE, y), _number(tick), _FADED, _font(12), anchor="rm")
    for tick in across.ticks:
        (x, _) = place(tick, axis.low)
        draw.line((x, box.top * _SCALE, x, box.bottom * _SCALE), _GRID, _SCALE)
    draw.line((*_scaled(box.left, box.bottom), *_scaled(box.right, box.bottom)), _FADED, _SCALE)
    for curve in panel.curves:
        _draw_curve(draw, curve, place)
    note = f"{panel.name} (log)" if axis.log else panel.name
    draw.text(_scaled(box.right, box.top - 9), drawable(note), _FADED, _font(12), anchor="rm")


def _draw_curve(draw: ImageDraw.ImageDraw, curve: Curve, place: Callable[[float, float], tuple[float, float]]) -> None:
    points = [place(x, y) for x, y in _finite(curve)]
    if len(points) > 1:
        draw.line(points, curve.color, round(_WIDTHS[curve.style] * _SCALE), joint="curve")
    if curve.style == "dots" or len(points) == 1:
        for x, y in points:
            _dot(draw, x, y, curve.color)


def _legend(draw: ImageDraw.ImageDraw, curves: Sequence[Curve], width: int) -> float:
    """Write what each curve is into the right upper corner; return how many pixels of the width it takes."""
    font = _font(13)
    x = float(width - _RIGHT)
    for curve in reversed([curve for curve in curves if curve.label]):
        label = drawable(curve.label)
        draw.text(_scaled(x, 27), label, _INK, font, anchor="rm")
        x -= font.getlength(label) / _SCALE + 8
        if len(curve.points) > 1 or curve.style != "dots":
            draw.line((*_scaled(x - 22, 27), *_scaled(x, 27)), curve.color, round(_WIDTHS[curve.style] * _SCALE))
        if curve.style == "dots":
            _dot(draw, *_scaled(x - 11, 27), curve.color)
        x -= 22 + 20
    return width - x


def _dot(draw: ImageDraw.ImageDraw, x: float, y: float, color: Color) -> None:
    radius = _DOT * _SCALE
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), color, _PAPER, _SCALE)


def _axis(values: Sequence[float], *, from_zero: bool, most: int) -> _Axis:
    """Return an axis for values; logarithmic where they need it."""
    positive = [value for value in values if value > 0]
    if from_zero or len(positive) < len(values) or not positive or max(positive) <= _LOG_FROM * min(positive):
        return _linear([*values, 0.0] if from_zero else values, most=most)
    high = max(positive)
    low = max(min(positive), high / 10**_LOG_DECADES)
    low, high = low / 1.15, high * 1.15
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        # What a decimal says: 5 * 10 ** -2 is not 0.05.
        ticks = tuple(tick for power in decades for step in steps if low <= (tick := float(f"{step}e{power}")) <= high)
        if len(ticks) <= most + 1:
            break
    return _Axis(low, high, log=True, ticks=ticks)


def _linear(values: Sequence[float], *, most: int = 8, whole: bool = False) -> _Axis:
    """Return an axis that holds all values, with a margin unless they are whole numbers of steps."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if low == high == 0:
        low, high = 0.0, 1.0
    elif low == high:
        spread = 0.5 if whole else abs(low) * 0.1
        low, high = low - spread, high + spread
    elif not whole:
        margin = (high - low) * 0.06
        low, high = (0.0 if low == 0 else low - margin), high + margin
    step = _round_step((high - low) / most, whole=whole)
    ticks = (number * step for number in range(ceil(low / step), floor(high / step) + 1))
    return _Axis(low, high, log=False, ticks=tuple(float(f"{tick:.12g}") for tick in ticks))


def _round_step(least: float, *, whole: bool) -> float:
    """Return the least of 1, 2, 5, 10, ... (and their tenths) that is no less than `least`; at least 1 if whole."""
    power = 10.0 ** floor(log10(least))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9))
    return max(step, 1.0) if whole else step


def _finite(curve: Curve) -> list[tuple[float, float]]:
    return [(x, y) for x, y in curve.points if isfinite(x) and isfinite(y)]


def _number(value: float) -> str:
    return f"{value:g}".replace("e-0", "e-").replace("e+", "e")


def _font(size: int) -> Font:
    return ImageFont.load_default(size=size * _SCALE)


def _scaled(x: float, y: float) -> tuple[float, float]:
    return x * _SCALE, y * _SCALE

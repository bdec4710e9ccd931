"""loss.png: how the loss of a run went, raw and smoothed, on held-out samples, with the learning rate below."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vgcli_core.atomic import atomic_path
from vgcli_core.drawing.chart import Curve, Panel, draw_chart
from vgcli_core.training.log import read_log

PICTURE = "loss.png"

_RAW, _SMOOTH, _HELD_OUT, _RATE = (176, 200, 236), (31, 95, 191), (219, 104, 20), (110, 130, 150)
_SMOOTHED_FROM = 8  # points; fewer are joined as they are
_LEAST = 1e-12  # a loss of exactly 0 has no logarithm


def draw_loss(folder: Path) -> Path | None:
    """Draw `loss.png` of a run folder from its log; None where no step was logged.

    Raises:
        DataError: the log cannot be read.
        OutputError: the picture cannot be written.
    """
    lines = read_log(folder)
    steps = [line for line in lines if "loss" in line]
    if not steps:
        return None
    with atomic_path(folder / PICTURE) as temporary:
        draw_chart(f"Loss of {folder.resolve().name}", "step", panels(steps, lines)).save(temporary)
    return folder / PICTURE


def panels(steps: Sequence[Mapping[str, Any]], lines: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """Return the panels: losses of `steps` and of the validations in `lines`, and the learning rate."""
    raw = [(float(line["step"]), float(line["loss"])) for line in steps]
    found = [(float(line["step"]), line.get("validation", {}).get("loss")) for line in lines]
    held_out = [(step, float(loss)) for step, loss in found if loss is not None]
    if len(raw) < _SMOOTHED_FROM:
        curves = [Curve("loss", _SMOOTH, raw)]
    else:
        curves = [Curve("loss of a step", _RAW, raw, "faint"), Curve("smoothed", _SMOOTH, smooth(raw))]
    if held_out:
        curves.append(Curve("held out", _HELD_OUT, held_out, "dots"))
    rates = [(float(line["step"]), float(line["lr"])) for line in steps if "lr" in line]
    shown = [Panel("loss", curves)]
    return [*shown, Panel("learning rate", [Curve("", _RATE, rates)], 0.22, from_zero=True)] if rates else shown


def smooth(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return points whose values are means of their neighbours' logarithms, weighted by a bell curve.

    It is as wide as a 50th of the curve. Logarithms, so that one wild step does not lift all of its neighbours.
    """
    width = max(len(points) / 50, 1.0)
    reach = min(int(3 * width), len(points) - 1)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    values = np.log(np.maximum([value for _, value in points], _LEAST))
    inside = slice(reach, reach + len(points))
    means = np.convolve(values, weights)[inside] / np.convolve(np.ones(len(points)), weights)[inside]
    return [(x, float(value)) for (x, _), value in zip(points, np.exp(means), strict=True)]

"""Draw how runs learnt, side by side, such as the arms of the demo's comparison.

    python examples/learning_curves.py runs/rooms-arm runs/rooms-no-geometry runs/rooms-text-only --out curves.png

Each panel is one measure on held-out samples, as `vgllm train` writes it to a run's log.jsonl: the error of the
answers, and how far off the middles of boxes are inside the model, which says more while it learns to ground.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from vgcli_core.atomic import atomic_path
from vgcli_core.drawing.chart import Curve, Panel, draw_chart
from vgcli_core.errors import DataError, VgllmError
from vgcli_core.training.log import read_log

COLORS = ((31, 95, 191), (219, 104, 20), (34, 139, 80), (150, 60, 160), (200, 50, 60), (90, 90, 90))
MEASURES = {"answers": "error of a token of an answer, nats", "middle": "middles of boxes are off by, metres"}


def curves(runs: list[Path], measure: str) -> list[Curve]:
    """Return one curve for each run that was measured so, in the run's own colour. Raises DataError."""
    found = []
    for number, run in enumerate(runs):
        lines = [line for line in read_log(run) if measure in line.get("validation", {})]
        points = [(float(line["step"]), float(line["validation"][measure])) for line in lines]
        if points:
            found.append(Curve(run.resolve().name, COLORS[number % len(COLORS)], points, "dots"))
    return found


def main() -> None:
    """Draw what the command line asks for."""
    parser = argparse.ArgumentParser(description="Draw how runs learnt, side by side.")
    parser.add_argument("runs", type=Path, nargs="+", help="run folders of `vgllm train`")
    parser.add_argument("--out", type=Path, default=Path("curves.png"), help="the picture")
    parser.add_argument("--measure", nargs="+", default=list(MEASURES), help="one panel each; `loss` is always there")
    asked = parser.parse_args()
    try:
        draw(asked.runs, asked.measure, asked.out)
    except VgllmError as error:
        parser.exit(2, f"{error}\n")
    print(f"written: {asked.out}")


def draw(runs: list[Path], measures: list[str], out: Path) -> None:
    """Write the picture with one panel for each measure. Raises DataError, OutputError."""
    panels = []
    for measure in measures:
        drawn = curves(runs, measure)
        if not drawn:
            raise DataError(f"none of these runs has held-out samples with `{measure}` in its log.jsonl")
        # What the colours mean stands once, above all panels.
        panels.append(
            Panel(MEASURES.get(measure, measure), [replace(one, label="") for one in drawn] if panels else drawn)
        )
    with atomic_path(out) as temporary:
        draw_chart("Held-out rooms", "step", panels, size=(900, 200 + 230 * len(panels))).save(temporary)


if __name__ == "__main__":
    main()

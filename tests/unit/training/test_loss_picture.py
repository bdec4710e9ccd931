"""loss.png of runs of any length."""

import math
from pathlib import Path

import pytest
from PIL import Image

from vgcli_core.training.log import RunLog
from vgcli_core.training.loss_picture import draw_loss, panels, smooth


def lines(count: int) -> list[dict[str, float]]:
    return [{"step": step, "loss": 1 + math.exp(-step), "lr": 1e-5 / step} for step in range(1, count + 1)]


@pytest.mark.parametrize("count", [1, 2, 30, 300])
def test_a_run_of_any_length_is_drawn(tmp_path: Path, count: int) -> None:
    log = RunLog(tmp_path, 0)
    for line in lines(count):
        log.step(line)
    log.validation(count, {"loss": 1.5, "exact": 0.0})
    log.close()
    path = draw_loss(tmp_path)
    assert path == tmp_path / "loss.png"
    with Image.open(path) as picture:
        assert picture.size == (900, 500)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["bad.jsonl", "log.jsonl", "loss.png", "timing.jsonl"]


def test_a_run_without_steps_has_no_picture(tmp_path: Path) -> None:
    assert draw_loss(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_panels_hold_what_was_logged() -> None:
    steps = lines(20)
    held = {"step": 10, "validation": {"loss": 1.2, "exact": 0.1}}
    loss, rate = panels(steps, [*steps, held, {"step": 20, "validation": {"exact": 0.2}}])
    assert [curve.label for curve in loss.curves] == ["loss of a step", "smoothed", "held out"]
    assert loss.curves[0].points == [(line["step"], line["loss"]) for line in steps]
    assert loss.curves[2].points == [(10, 1.2)]
    assert rate.curves[0].points == [(line["step"], line["lr"]) for line in steps]
    (short,) = panels([{"step": 1, "loss": 2.0}], [])
    assert [curve.label for curve in short.curves] == ["loss"]


def test_smoothing_keeps_a_level_and_is_not_carried_away() -> None:
    level = [(float(step), 2.0) for step in range(500)]
    assert [value for _, value in smooth(level)] == pytest.approx([2.0] * 500)
    wild = [(x, 2000.0 if x == 250 else y) for x, y in level]
    assert 2.0 < max(value for _, value in smooth(wild)) < 3.0
    assert all(math.isfinite(value) for _, value in smooth([(1.0, 0.0), (2.0, 1.0)]))

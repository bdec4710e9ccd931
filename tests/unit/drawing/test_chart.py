"""Line charts: axes hold their values, round ticks, something drawn where it belongs."""

import numpy as np
import pytest

from vgcli_core.drawing.chart import Curve, Panel, _axis, _linear, _number, draw_chart

BLUE = (30, 90, 200)


def drawn(*curves: Curve, **values) -> np.ndarray:
    return np.asarray(draw_chart("loss of a run", "step", [Panel("loss", curves, **values)]), dtype=int)


def near(picture: np.ndarray, color, tolerance=40) -> np.ndarray:
    """Rows and columns of pixels of a colour, below the legend."""
    places = np.argwhere(np.abs(picture - color).max(axis=2) < tolerance)
    return places[places[:, 0] > 50]


@pytest.mark.parametrize("values", [[0.31, 2.4], [1e-5, 0.9e-5], [5.0], [0.0], [-3.0, 4.0], [], [1200.0, 1900.0]])
def test_a_linear_axis_holds_its_values_and_has_round_ticks(values):
    axis = _axis(values, from_zero=False, most=7)
    assert not axis.log and all(0 <= axis.place(value) <= 1 for value in values)
    assert 2 <= len(axis.ticks) <= 8
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)
    steps = np.diff(axis.ticks)
    assert steps == pytest.approx([steps[0]] * len(steps))
    assert f"{steps[0]:.0e}"[0] in "125"


def test_steps_have_whole_ticks():
    assert _linear([1, 1], whole=True).ticks == (1.0,)
    assert _linear([1, 2], whole=True).ticks == (1.0, 2.0)
    assert _linear([1, 3000], whole=True).ticks == (500.0, 1000.0, 1500.0, 2000.0, 2500.0, 3000.0)


def test_values_far_apart_get_a_logarithmic_axis():
    axis = _axis([0.02, 3.0], from_zero=False, most=7)
    assert axis.log and axis.ticks == (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
    wide = _axis([1e-30, 400.0], from_zero=False, most=7)
    assert len(wide.ticks) <= 8 and wide.place(1e-30) == 0 and wide.place(400.0) < 1
    assert not _axis([0.0, 400.0], from_zero=False, most=7).log
    assert not _axis([0.1, 400.0], from_zero=True, most=7).log
    assert _axis([3.0, 4.0], from_zero=True, most=7).low == 0


def test_numbers_are_short():
    assert [_number(value) for value in (1e-5, 0.5, 2000.0, 1e12)] == ["1e-5", "0.5", "2000", "1e12"]


def test_a_falling_curve_falls_from_the_left_to_the_right():
    picture = drawn(Curve("loss", BLUE, [(step, 2 - step / 100) for step in range(1, 100)]))
    assert picture.shape == (500, 900, 3)
    places = near(picture, BLUE)
    left, right = places[places[:, 1] < 100], places[places[:, 1] > 850]
    assert left[:, 0].mean() < 100 and right[:, 0].mean() > 400
    assert set(range(80, 870)) <= set(places[:, 1].tolist())


def test_one_point_is_a_dot_and_points_that_are_no_numbers_are_left_out():
    picture = drawn(Curve("loss", BLUE, [(1, 0.5), (2, float("nan")), (3, float("inf"))]))
    places = near(picture, BLUE)
    assert 20 < len(places) < 120 and np.ptp(places[:, 1]) < 12
    assert near(drawn(Curve("", BLUE, [])), BLUE).size == 0


def test_panels_share_the_height():
    curve = Curve("", BLUE, [(1, 1.0), (9, 1.0)])
    panels = [Panel("loss", [curve]), Panel("rate", [curve], 0.25, from_zero=True)]
    rows = near(np.asarray(draw_chart("", "step", panels), dtype=int), BLUE)[:, 0]
    upper, lower = rows[rows < 350], rows[rows > 370]
    assert len(upper) and len(lower) and np.ptp(upper) < 6 and np.ptp(lower) < 6


def test_a_long_title_ends_before_the_legend():
    curves = [Curve(f"a long name of curve {number}", BLUE, [(1, 1.0), (2, 2.0)]) for number in range(3)]
    picture = np.asarray(draw_chart("a title without end " * 20, "step", [Panel("loss", curves)]), dtype=int)
    assert (picture[:, -20:].min(axis=(1, 2)) > 200).all() and picture[27, 80:300].min() < 120

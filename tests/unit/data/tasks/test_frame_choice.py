"""Choices of frames: by hand, and what must hold for any numbers."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgcli_core.data.tasks.frame_choice import cyclic, fixed, offset, rotated_spread, sorted_offset, starts
from vgcli_core.errors import DataError

totals, wishes = st.integers(1, 300), st.integers(1, 40)


def test_a_cyclic_choice_wraps_around_and_begins_at_its_start():
    assert cyclic(10, 3, 5) == [5, 8, 1]
    assert cyclic(10, 4, 9) == [9, 1, 3, 5]
    assert cyclic(3, 8, 2) == [2, 0, 1]
    assert cyclic(10, 3, 10) == cyclic(10, 3, 0)


def test_a_sorted_choice_begins_at_its_offset():
    assert sorted_offset(10, 3, 2) == [2, 5, 8]
    assert sorted_offset(2, 3, 0) == [0, 1]


def test_a_rotated_spread_is_spread_over_the_film_as_if_it_began_elsewhere():
    # linspace(0, 9, 4) cut to integers is 0 3 6 9; from 7 on around: 7 0 3 6.
    assert rotated_spread(10, 4, 7) == [0, 3, 6, 7]


@given(totals, wishes, st.data())
def test_no_choice_names_a_frame_twice_or_one_that_is_not_there(total, wanted, data):
    start = data.draw(st.integers(0, total - 1))
    drawn = offset(random.Random(start), total, wanted)
    in_order = [sorted_offset(total, wanted, drawn), rotated_spread(total, wanted, start), fixed(total, wanted)]
    for chosen in (cyclic(total, wanted, start), *in_order):
        assert len(chosen) == len(set(chosen)) == min(total, wanted)
        assert all(0 <= position < total for position in chosen)
    assert all(chosen == sorted(chosen) for chosen in in_order)


@given(totals, wishes, st.integers(0, 2**32))
def test_a_cyclic_choice_is_what_rotating_the_list_gives(total, wanted, seed):
    start = random.Random(seed).randint(0, total)
    rotated = [*range(start, total), *range(start)]
    expected = rotated if total < wanted else rotated[:: total // wanted][:wanted]
    assert cyclic(total, wanted, start) == expected


def test_published_starts_may_be_the_number_of_frames_and_ours_never_are():
    published, ours = starts(random.Random(0), 2, "reference"), starts(random.Random(0), 2, "corrected")
    assert {next(published) for _ in range(50)} == {0, 1, 2}
    assert {next(ours) for _ in range(50)} == {0, 1}


def test_a_scan_without_frames_is_refused():
    with pytest.raises(DataError, match="without frames"):
        next(starts(random.Random(0), 0, "corrected"))
    with pytest.raises(DataError, match="without frames"):
        fixed(0, 4)

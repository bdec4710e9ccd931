"""Which frames a wish picks, by hand arithmetic and against a slow, obvious rule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vgcli_core.errors import MediaError
from vgcli_core.media.sampling import Sampling, at_rate, select, uniform

SECONDS = [0.0, 0.5, 1.0, 1.5, 2.0]


def test_uniform_keeps_both_ends_and_cuts_to_integers():
    assert uniform(100, 8) == [0, 14, 28, 42, 56, 70, 84, 99]


def test_uniform_takes_all_frames_when_there_are_fewer():
    assert uniform(3, 32) == [0, 1, 2]


def test_no_wish_means_32_frames():
    assert select(Sampling(), 1000) == select(Sampling(num_frames=32), 1000)
    assert len(select(Sampling(), 1000)) == 32


def test_a_rate_takes_the_nearest_frame_in_time():
    assert at_rate(SECONDS, 1.0) == [0, 2, 4]


def test_a_rate_follows_the_clock_of_a_video_with_variable_frame_rate():
    # Wishes at 0, 1, 2, 3 s; the frames nearest to them are at 0, 1.2, 1.9 and 3.1 s.
    assert at_rate([0.0, 0.1, 0.2, 1.2, 1.9, 3.1], 1.0) == [0, 3, 4, 5]


def test_a_rate_above_that_of_the_video_gives_every_frame_once():
    assert at_rate(SECONDS, 1e9) == [0, 1, 2, 3, 4]


def test_max_frames_counts_different_frames():
    assert at_rate(SECONDS, 1000.0, max_frames=3) == [0, 1, 2]


def test_one_frame_is_enough_for_a_rate():
    assert at_rate([0.0], 2.0) == [0]


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 400), min_size=0, max_size=40),
    st.sampled_from([0.5, 1.0, 2.0, 3.0, 7.0, 25.0]),
    st.integers(0, 3),
)
def test_a_rate_equals_the_slow_search_for_the_nearest_frame(gaps, fps, start):
    times = np.cumsum([0, *gaps]) / 64  # 64ths of a second are exact
    slow = []
    for wish in start + np.arange(int(max(times[-1] - start, 0) * fps + 1e-6) + 1) / fps:
        nearest = int(np.argmin(np.round(np.abs(times - wish), 9)))
        if nearest not in slow:
            slow.append(nearest)
    if times[-1] >= start:
        assert at_rate(list(times), fps, start=start) == slow


def test_start_skips_what_is_before_it_and_counts_from_it():
    assert select(Sampling(num_frames=2, start=0.5), 5, SECONDS) == [1, 4]
    assert select(Sampling(fps=1.0, start=0.5), 5, SECONDS) == [1, 3]
    assert select(Sampling(fps=1.0, start=0.6), 5, SECONDS) == [2, 3]  # 0.6 and 1.6 s


def test_indices_keep_the_order_of_the_user():
    assert select(Sampling(indices=(4, 0, 4)), 5, SECONDS) == [4, 0, 4]


def test_pictures_can_be_picked_by_number_and_by_index():
    assert select(Sampling(num_frames=2), 9) == [0, 8]
    assert select(Sampling(indices=(3,)), 9) == [3]


@pytest.mark.parametrize(
    "wish",
    [
        {"num_frames": 0},
        {"num_frames": -3},
        {"fps": 0.0},
        {"fps": -1.0},
        {"fps": float("nan")},
        {"fps": float("inf")},
        {"start": -0.1},
        {"start": float("nan")},
        {"indices": (0, -1)},
        {"indices": (1,), "start": 1.0},
        {"num_frames": 4, "fps": 1.0},
        {"num_frames": 4, "indices": (1,)},
        {"fps": 1.0, "indices": (1,)},
        {"num_frames": 4, "max_frames": 2},
        {"fps": 1.0, "max_frames": 0},
    ],
)
def test_a_wish_without_sense_is_refused_with_a_fix(wish):
    with pytest.raises(MediaError) as caught:
        Sampling(**wish)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("wish", "times", "word"),
    [
        (Sampling(indices=(2, 5)), SECONDS, "index 5"),
        (Sampling(indices=(5,)), None, "0 to 4"),
        (Sampling(num_frames=2, start=2.1), SECONDS, "beyond the end"),
        (Sampling(fps=1.0), None, "num_frames or indices"),
        (Sampling(start=1.0), None, "no times"),
    ],
)
def test_a_wish_outside_the_source_names_the_source_and_a_fix(wish, times, word):
    with pytest.raises(MediaError) as caught:
        select(wish, 5, times, where="room.mp4")
    assert word in str(caught.value)
    assert caught.value.where == "room.mp4"
    assert caught.value.fix

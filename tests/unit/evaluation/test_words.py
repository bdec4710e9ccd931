"""WUPS on a small table of similarities, worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgcli_core.evaluation.metrics.words import content_words, wups

# dog ~ cat 0.8, dog ~ car 0.5, cat ~ car 0.25; run is like nothing.
TABLE = {frozenset(("dog", "cat")): 0.8, frozenset(("dog", "car")): 0.5, frozenset(("cat", "car")): 0.25}
WORDS = st.lists(st.sampled_from(["dog", "cat", "car", "run"]), max_size=4)


def similarity(one: str, other: str) -> float:
    return TABLE.get(frozenset((one, other)), 0.0)


@pytest.mark.parametrize(
    ("first", "second", "threshold", "expected"),
    [
        ("dog", "dog", 0, 1.0),
        ("dog", "cat", 0, 0.8),
        ("dog", "cat", 0.9, 0.08),
        ("dog cat", "car", 0, 0.125),  # 0.5 * 0.25 one way, 0.5 the other: the lower
        ("dog cat", "dog", 0, 0.8),
        ("dog run", "dog", 0, 1.0),  # a word like nothing is skipped
        ("run", "dog", 0, 0.0),
        ("run", "run", 0.9, 1.0),
        ("", "dog", 0, 0.0),
        ("", "", 0, 0.0),
    ],
)
def test_wups_is_the_lower_product_of_best_similarities(first, second, threshold, expected):
    assert wups(first.split(), second.split(), similarity, threshold) == pytest.approx(expected, abs=1e-12)


@given(WORDS, WORDS)
def test_wups_is_symmetric_and_a_higher_threshold_never_helps(first, second):
    low, high = (wups(first, second, similarity, threshold) for threshold in (0, 0.9))
    assert 0 <= high <= low <= 1
    assert wups(second, first, similarity, 0) == low


def test_the_similarity_is_asked_with_the_word_whose_best_match_is_sought_first():
    asked = []
    wups(["dog"], ["cat"], lambda one, other: asked.append((one, other)) or 0.5, 0)
    assert asked == [("dog", "cat"), ("cat", "dog")]


def test_stop_words_go_but_words_of_place_and_amount_stay():
    assert content_words("The dog is under a table because of you") == ["dog", "under", "table"]
    assert content_words("no more on top") == ["no", "more", "on", "top"]


def test_marks_cling_to_words_unless_they_are_dropped():
    assert content_words("A dog, running.") == ["dog,", "running."]
    assert content_words("A dog, running . (fast)", marks=False) == ["dog", "running", "fast"]

"""Greedy matching by hand and against a slow version, class lists, and scores of counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgcli_core.evaluation.metrics.matching import (
    CLASSES_8,
    CLASSES_20,
    CLASSES_30,
    CLASSES_31_AS_PUBLISHED,
    Counts,
    count_matches,
    match,
    scores_of_counts,
)
from vgcli_core.geometry.boxes import OrientedBox


def cube(label, x=0.0, size=1.0):
    return OrientedBox((x, 0, 0), (size, 1, 1), (0, 0, 0), label)


def test_each_true_box_is_found_once():
    assert count_matches([cube("bin"), cube("bin")], [cube("bin")]) == {"bin": Counts(1, 1, 0)}


def test_labels_match_as_exact_strings():
    assert count_matches([cube("Bin")], [cube("bin")]) == {"Bin": Counts(0, 1, 0), "bin": Counts(0, 0, 1)}


@pytest.mark.parametrize(("size", "hit"), [(0.25, 0), (0.26, 1)])
def test_an_overlap_of_a_quarter_is_not_enough(size, hit):
    assert count_matches([cube("bin", size=size)], [cube("bin")])["bin"].tp == hit


def test_an_early_prediction_may_take_the_box_that_a_later_one_needs():
    true = [cube("bin", 0.0), cube("bin", 0.6)]
    greedy, careful = cube("bin", 0.35), cube("bin", 1.0)  # the first fits both, the second only the later box
    assert count_matches([greedy, careful], true)["bin"] == Counts(1, 1, 1)
    assert count_matches([careful, greedy], true)["bin"] == Counts(2, 0, 0)


def test_of_equal_overlaps_the_first_is_taken():
    true = [cube("bin", 0.0), cube("bin", 1.0)]
    overlap = np.array([[0.5, 0.5], [0.5, 0.1]])
    assert match([cube("bin"), cube("bin")], true, overlap)["bin"] == Counts(1, 1, 1)


def test_a_refused_box_is_a_miss_only_by_the_published_overlap():
    tiny = OrientedBox((0, 0, 1), (0.01, 0.01, 0.01), (0, 0, 0), "bottle")
    assert count_matches([tiny], [tiny])["bottle"] == Counts(1, 0, 0)
    assert count_matches([tiny], [tiny], reference=True)["bottle"] == Counts(0, 1, 1)


def test_a_box_that_is_nowhere_is_a_false_positive():
    nan = (float("nan"),) * 3
    assert count_matches([OrientedBox(nan, nan, nan, "bin")], [cube("bin")]) == {"bin": Counts(0, 1, 1)}


@pytest.mark.parametrize(("predicted", "true"), [([], []), ([cube("a")], []), ([], [cube("a")])])
def test_nothing_predicted_or_nothing_there(predicted, true):
    expected = {"a": Counts(0, len(predicted), len(true))} if predicted or true else {}
    assert count_matches(predicted, true) == expected


def slow_match(predicted, true, overlap):
    """The rule told label by label, with a set of used boxes."""
    counts = {}
    for label in {box.label for box in [*predicted, *true]}:
        theirs = [place for place, box in enumerate(true) if box.label == label]
        used, tp, fp = set(), 0, 0
        for row, box in enumerate(predicted):
            if box.label == label:
                free = [place for place in theirs if place not in used]
                best = max(free, key=lambda place: (overlap[row][place], -place), default=None)
                if best is not None and overlap[row][best] > 0.25:
                    used.add(best)
                    tp += 1
                else:
                    fp += 1
        counts[label] = Counts(tp, fp, len(theirs) - tp)
    return counts


@given(st.data())
def test_matching_is_that_of_the_slow_version(data):
    labels = st.lists(st.sampled_from("abc"), max_size=6)
    predicted, true = ([cube(label) for label in data.draw(labels)] for _ in range(2))
    values = st.sampled_from([0.0, 0.2, 0.25, 0.3, 0.5, 1.0])
    rows = data.draw(
        st.lists(
            st.lists(values, min_size=len(true), max_size=len(true)), min_size=len(predicted), max_size=len(predicted)
        )
    )
    overlap = np.array(rows).reshape(len(predicted), len(true))
    assert match(predicted, true, overlap) == slow_match(predicted, true, rows)


def test_precision_recall_and_f1_are_ratios_of_counts_and_0_where_undefined():
    scores = scores_of_counts(np.array([[3.0, 1, 2], [0, 0, 4], [0, 5, 0], [0, 0, 0]]))
    np.testing.assert_allclose(scores, [[3 / 4, 3 / 5, 2 / 3], [0, 0, 0], [0, 0, 0], [0, 0, 0]])


def test_class_lists_keep_the_slips_of_the_published_one_and_mend_them_in_the_other():
    assert [len(names) for names in (CLASSES_8, CLASSES_20, CLASSES_31_AS_PUBLISHED, CLASSES_30)] == [8, 20, 31, 30]
    assert set(CLASSES_8) < set(CLASSES_20) < set(CLASSES_30)
    assert CLASSES_31_AS_PUBLISHED.count("lamp") == 2
    assert set(CLASSES_31_AS_PUBLISHED) ^ set(CLASSES_30) == {"towl", "towel"}
    assert len(set(CLASSES_30)) == 30

"""Which answers are shown, and what is drawn for them."""

import numpy as np
import pytest

from tests.unit.evaluation.pages import WALL, asked, box_text, detected, grounded, result
from vgcli_core.drawing.boxes import PREDICTION, TRUTH
from vgcli_core.evaluation.answer_card import answer_card
from vgcli_core.evaluation.gallery import cards, shelves


def shown(tmp_path, name, answers, samples, **scoring):
    """Return the cards of all answers by id."""
    found = result(tmp_path, name, answers, samples, **scoring)
    return {one.id: answer_card(found, one, 640) for one in found.report.samples}


def has(image, color) -> bool:
    return bool((np.abs(image.astype(int) - color) < 40).all(axis=2).any())


def reach(image, color) -> tuple[int, int]:
    columns = np.nonzero((np.abs(image.astype(int) - color) < 40).all(axis=2))[1]
    return columns.min(), columns.max()


def choices(tmp_path, letters, scenes):
    """Results of questions whose right answer is B."""
    samples = [asked(f"q{place:02d}", scene=scene) for place, scene in enumerate(scenes)]
    return result(tmp_path, "vsi_bench", {one.id: text for one, text in zip(samples, letters, strict=True)}, samples)


# The choice


def test_the_best_and_the_worst_are_shown_and_none_of_them_twice(tmp_path):
    found = shelves(choices(tmp_path, "BABAB", "abcde"), 2)
    assert [shelf.title for shelf in found] == ["Best answers", "Worst answers"]
    assert [[one.id for one in shelf.scores] for shelf in found] == [["q00", "q02"], ["q01", "q03"]]


def test_answers_of_several_scenes_are_chosen_where_there_are_any(tmp_path):
    best = shelves(choices(tmp_path, "B" * 8 + "A", "aaaaaaabc"), 3)[0]
    assert [one.id for one in best.scores] == ["q00", "q01", "q07"]


def test_where_all_score_the_same_there_is_one_shelf(tmp_path):
    (only,) = shelves(choices(tmp_path, "BBB", "abc"), 6)
    assert only.title == "Examples: every answer that could be read scores 1.00"
    assert len(only.scores) == 3


def test_answers_that_nobody_could_read_have_a_shelf_of_their_own(tmp_path):
    found = shelves(choices(tmp_path, ["B", "?", "", "..."], "abcd"), 4)
    assert [[one.id for one in shelf.scores] for shelf in found] == [["q00"], ["q01", "q02"]]
    assert "could not be read" in found[1].title


def test_no_answers_fill_no_shelf(tmp_path):
    found = choices(tmp_path, "", "")
    assert shelves(found, 6) == []


def test_of_equals_those_with_a_box_in_view_are_shown(tmp_path):
    samples = [grounded(key, scene=key) for key in "ab"]
    behind = box_text(shift=5)  # beside the picture
    found = result(tmp_path, "scanrefer", {"a": behind, "b": box_text(shift=1.01)}, samples)
    (only,) = shelves(found, 1)
    assert [one.id for one in only.scores] == ["b"]


# The card


def test_a_predicted_box_is_green_and_the_true_one_blue(tmp_path):
    card = shown(tmp_path, "scanrefer", {"a": box_text(shift=0.5)}, [grounded("a")])["a"]
    image = card.pictures[0].image
    green, blue = reach(image, PREDICTION), reach(image, TRUTH)
    # Near faces are 1.5 m away: 0.5 m are 200 / 1.5 / 2 = 67 of 320 pixels.
    assert (green[1] - blue[1]) / image.shape[1] == pytest.approx(67 / 320, abs=0.03)
    assert [key.color for key in card.keys] == [PREDICTION, TRUTH]
    assert card.pictures[0].description.endswith("boxes drawn: truth, predicted")
    assert card.leads


def test_the_frame_that_the_answer_names_is_the_large_one(tmp_path):
    card = shown(tmp_path, "scanrefer", {"a": box_text(frame=1)}, [grounded("a")])["a"]
    assert card.pictures[0].caption == "#1 1.jpg"


def test_an_answer_without_a_box_shows_the_truth_alone_and_says_why(tmp_path):
    card = shown(tmp_path, "scanrefer", {"a": "no idea"}, [grounded("a")])["a"]
    assert has(card.pictures[0].image, TRUTH)
    assert not has(card.pictures[0].image, PREDICTION)
    assert "not read: no box in the text" in [tag.text for tag in card.tags]


def test_old_angles_are_turned_before_they_are_drawn(tmp_path):
    turned = '{"frame": 0, "bbox_3d": [0, 0, 2, 2, 0.2, 0.2, 1.2, 0.7, 0.5]}'
    found = result(tmp_path, "scanrefer", {"a": turned}, [grounded("a")])
    (score,) = found.report.samples
    new = answer_card(found, score, 640).pictures[0].image
    found.items["a"] = type(found.items["a"])("a", turned, found.items["a"].truth, "zxy")
    old = answer_card(found, score, 640).pictures[0].image
    assert (new != old).any()


def test_true_boxes_are_named_only_where_nothing_found_them(tmp_path):
    sample = detected("a", "chair", "table")
    text = '{"label": "chair", "bbox_3d": [0, 0, 2, 1, 1, 1, 0, 0, 0]}'
    card = shown(tmp_path, "scannet_det", {"a": text}, [sample])["a"]
    assert card.pictures[0].description.endswith("boxes drawn: table, chair")
    assert [key.text for key in card.keys] == ["the model's boxes: chair", "the true boxes: chair, table"]


def test_absurd_boxes_do_no_harm(tmp_path):
    text = '{"frame": 0, "bbox_3d": [1e300, -1e300, 1e300, 1e300, 0, -1, 1e300, 0, 0]}'
    card = shown(tmp_path, "scanrefer", {"a": text}, [grounded("a")])["a"]
    assert has(card.pictures[0].image, TRUTH)


def test_frames_that_cannot_be_read_are_said(tmp_path):
    card = shown(tmp_path, "scanrefer", {"a": box_text()}, [grounded("a")], frames=False)["a"]
    assert card.pictures == ()
    assert any("frames not shown" in remark for remark in card.remarks)


def test_a_question_with_options_says_what_letters_mean(tmp_path):
    card = shown(tmp_path, "vsi_bench", {"a": "A."}, [asked("a")])["a"]
    texts = {one.name: one.text for one in card.paragraphs}
    assert texts["Options"] == "A. left\nB. right\nC. back\nD. on"
    assert texts["Answer of the model"] == "A.  =  left"
    assert texts["Truth"] == "B  =  right"


def test_what_could_not_be_asked_says_why(tmp_path):
    card = shown(tmp_path, "vsi_bench", {"a": ""}, [asked("a")], failed={"a": "a frame is missing"})["a"]
    assert "not asked: a frame is missing" in [tag.text for tag in card.tags]
    assert ("Answer of the model", "(no text)") in [(one.name, one.text) for one in card.paragraphs]


def test_cards_have_pictures_of_the_frames(tmp_path):
    found = choices(tmp_path, "B", "a")
    (card,) = cards(found, shelves(found, 6)[0])
    assert np.abs(card.pictures[0].image.astype(int) - WALL).max() < 12

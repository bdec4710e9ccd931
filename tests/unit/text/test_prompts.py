"""Prompts letter for letter: as literals, and against annotation files the reference's generators wrote."""

import json

import numpy as np
import pytest

from vgcli_core.text.prompts import (
    MAX_NEW_TOKENS,
    ask_prompt,
    caption_prompt,
    detect_prompt,
    ground_prompt,
    in_revision,
    raw_prompt,
    with_letters,
)


def user_text(sample) -> str:
    """What a training sample sends after the last frame: training drops the newline after each image."""
    turn = next(turn["value"] for turn in sample["conversations"] if turn["from"] == "human")
    return turn.replace("<image>\n", "<image>").rpartition("<image>")[2]


def samples(golden, name):
    return json.loads((golden / "gen2" / "generators" / name).read_text())


def test_ground_sends_what_the_second_generation_trained_on(golden):
    for name in ("scanrefer/scanrefer_train_2frames.json", "scanrefer/scanrefer_val_8frames.json"):
        for sample in samples(golden, name):
            description = sample["prompt"].split("\n")[1].removeprefix("Text: ")
            prompt = ground_prompt(description.upper(), 2)
            assert prompt.text == sample["prompt"] == user_text(sample)
            assert prompt.frame_names


def test_detect_sends_what_the_second_generation_trained_on(golden):
    found = samples(golden, "detection/scannet_det_train_4frames_first_step3.json")
    found = found if isinstance(found, list) else found["items"]
    assert {user_text(sample) for sample in found} == {detect_prompt(2).text}
    assert not detect_prompt(2).frame_names


def test_caption_sends_what_the_second_generation_trained_on(golden):
    for sample in samples(golden, "scan2cap/scan2cap_train_32frames_first.json"):
        point = json.loads(user_text(sample).split("located at ")[1].removesuffix(" in detail."))
        assert caption_prompt(tuple(point)).text == user_text(sample)


def test_ask_sends_what_the_evaluation_asks(golden):
    rows = {row["benchmark"]: row for row in json.loads((golden / "metrics" / "prompts.json").read_text())["rows"]}
    numeric = "\n".join(rows["VSI-Bench, numeric"]["lines_joined_by_newline"])
    assert ask_prompt("How far is it?").text == numeric.replace("{question}", "How far is it?")
    choice = "\n".join(rows["VSI-Bench, multiple choice"]["lines_joined_by_newline"])
    expected = choice.replace("{question}", "Which?").replace(
        "{options, one per line, already lettered}", "A. chair\nB. bed"
    )
    assert ask_prompt("Which?", ("A. chair", "B. bed")).text == ask_prompt("Which?", ["chair", "bed"]).text == expected


def test_the_first_generation_names_the_key_and_the_angles_differently():
    ground_1, ground_2 = ground_prompt("a", 1).text, ground_prompt("a", 2).text
    assert ground_1 == ground_2.replace('"bbox_3d"', '"box_3d"') != ground_2
    detect_1, detect_2 = detect_prompt(1).text, detect_prompt(2).text
    assert detect_1 == detect_2.replace('"bbox_3d"', '"box_3d"').replace("yaw, roll, pitch", "yaw, pitch, roll")
    assert '"box_3d"' in detect_1
    assert "yaw, pitch, roll]." in detect_1


@pytest.mark.parametrize("build", [lambda revision: ground_prompt("a red chair", revision), detect_prompt])
def test_a_prompt_changes_its_revision_and_back(build):
    old, new = build(1).text, build(2).text
    assert old != new
    assert (in_revision(old, 2), in_revision(new, 1), in_revision(old, 1), in_revision(new, 2)) == (new, old, old, new)


def test_prompts_without_boxes_have_one_revision():
    for text in (ask_prompt("how many?").text, caption_prompt((1, 2, 3)).text, 'say "box_3d" twice'[:5]):
        assert in_revision(text, 1) == in_revision(text, 2) == text


def test_ground_ends_with_a_newline_and_no_text_starts_with_one():
    prompts = [ask_prompt("q"), ground_prompt("d", 2), detect_prompt(2), caption_prompt((0, 0, 1)), raw_prompt("r")]
    assert [prompt.text.endswith("\n") for prompt in prompts] == [False, True, False, False, False]
    assert not any(prompt.text.startswith("\n") for prompt in prompts)


def test_a_description_gets_one_capital_letter():
    assert (
        "\nText: The red chair. it is next to the tv.\n"
        in ground_prompt("the RED chair. It is next to the TV.", 2).text
    )


@pytest.mark.parametrize(
    ("point", "printed"),
    [((0.5, -0.126, 3), "[0.5, -0.13, 3.0]"), ((np.float64(1.005), -0.001, 2.0), "[1.0, -0.0, 2.0]")],
)
def test_a_point_is_printed_as_a_list_with_two_decimals(point, printed):
    assert f"located at {printed} in detail." in caption_prompt(point).text


def test_a_raw_prompt_is_sent_as_it_is_in_the_layout_of_its_task():
    assert raw_prompt(" as is\n").text == " as is\n"
    assert [raw_prompt("x", task).frame_names for task in ("ask", "ground", "detect", "caption")] == [
        False,
        True,
        False,
        False,
    ]


def test_options_keep_their_letters_and_get_them_when_one_is_missing():
    assert with_letters(["A) x", "B) y"]) == ("A) x", "B) y")
    assert with_letters(["(A) x", "(B) y"]) == ("(A) x", "(B) y")
    assert with_letters(["x", "B. y"]) == ("A. x", "B. B. y")
    assert with_letters([]) == ()


def test_answers_get_the_room_of_the_published_evaluation():
    assert MAX_NEW_TOKENS == {"ask": 16, "ground": 100, "detect": 2000, "caption": 100}

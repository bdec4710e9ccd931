"""Replies of a judge model."""

import pytest

from vgcli_core.evaluation.metrics.judge import CaptionVerdict, read_caption_verdict, read_verdict


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Correct.", True),
        ("Incorrect", False),
        ("It is Correct", True),
        ("Not Correct: Incorrect", False),
        ("ok", None),
    ],
)
def test_a_verdict_is_what_the_reply_starts_with_or_the_only_one_it_holds(reply, expected):
    assert read_verdict(reply) is expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Reasoning: it rises.\nAnswer: A. up", CaptionVerdict("A. up", "it rises.", True)),
        ("B. down", CaptionVerdict("B. down", None, False)),
        ("Answer: A. up or B. down", CaptionVerdict("A. up or B. down", None, False)),  # names two options
        ("Answer: A", CaptionVerdict("A", None, False)),  # names none
        ("", CaptionVerdict()),
    ],
)
def test_a_caption_is_right_if_the_judge_picks_the_right_option_alone(reply, expected):
    assert read_caption_verdict(reply, "A. up") == expected

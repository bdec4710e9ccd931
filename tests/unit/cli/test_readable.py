"""What people read: every fact of an answer, at 80 columns, and no power for text that came from elsewhere."""

from dataclasses import replace

import pytest
from rich.console import Console

from tests.unit.cli.results import answer, found_box, result
from vgcli.readable import blocks, clean, footer, one_line
from vgcli_core.predict.result import Intrinsics, Result

_NUMBERS = ("1.23", "-0.50", "2.10", "0.60", "12.50", "0.20", "90.0", "0.0", "0.0")


def shown(found: Result, width: int = 80) -> str:
    console = Console(width=width, markup=False, highlight=False, emoji=False, color_system=None)
    with console.capture() as capture:
        console.print(*blocks(found), sep="\n")
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def test_an_answer_in_words_shows_question_task_prompt_and_text():
    text = shown(result(answer("two")))
    assert text.splitlines() == [
        "question    how many chairs?",
        "task        ask",
        "sent        These are frames of a video. how many chairs?",
        "answer      two",
    ]


def test_a_box_shows_frame_time_metres_degrees_and_its_coordinate_frame():
    text = shown(
        result(answer(task="ground", reason="task ground: asks for a place", frame_names=True, boxes=(found_box(),)))
    )
    row = next(line for line in text.splitlines() if line.strip().startswith("sink"))
    assert row.split()[0:2] == ["sink", "12"]
    assert row.split()[-2 - len(_NUMBERS) :] == ["3.20", "s", *_NUMBERS]
    assert "ground: asks for a place" in text
    assert '"Frame-i: " before each frame' in text
    assert "camera of the row's frame: x right, y down, z forward" in " ".join(text.split())
    assert "intrinsic Z-X-Y" in text
    assert "1 box\n" in text


@pytest.mark.parametrize("width", [80, 100])
def test_nothing_is_wider_than_the_terminal_and_no_number_is_cut(width):
    long = answer(
        "word " * 100,
        task="detect",
        question="where " * 40,
        boxes=tuple(found_box("a very long label without an end " * 2) for _ in range(3)),
        unusable=("a long remark " * 20,),
    )
    text = shown(result(long, untrained=True), width)
    assert max(map(len, text.splitlines())) <= width
    assert text.count("1.23 -0.50 2.10") == 3
    assert "…" not in text


def test_unusable_parts_are_counted_and_shown_with_the_raw_text():
    remarks = tuple(f"box {i} has 8 numbers" for i in range(7))
    text = shown(result(answer("[{...}]", task="detect", status="invalid", unusable=remarks)))
    assert "no usable box" in text
    assert "unusable    7\n" in text
    assert "box 4 has 8 numbers" in text
    assert "box 5 has 8 numbers" not in text
    assert "and 2 more" in text
    assert "raw text    [{...}]" in text


def test_a_cut_off_answer_says_so_and_names_the_option():
    text = shown(result(answer(complete=False, new_tokens=16)))
    assert "cut off     after 16 tokens; allow more with --max-new-tokens" in text


def test_random_weights_are_announced_first():
    assert shown(result(answer(), untrained=True)).startswith("WARNING: this model's weights are random and untrained")
    assert "untrained" not in shown(result(answer(), untrained=False))


def test_several_questions_are_numbered_and_named():
    text = shown(result(answer(id="first"), answer("three", question="how many tables?")))
    assert "id          first\nquestion 1  how many chairs?" in text
    assert "question 2  how many tables?" in text


def test_an_option_that_was_read_from_longer_text_is_shown():
    assert "answer      B. two  (read as option B)" in shown(result(answer("B. two", choice="B")))
    assert "answer      B\n" in shown(result(answer("B", choice="B"))) + "\n"


@pytest.mark.parametrize("text", ["[bold]two[/bold]", "[/foo]", "[red", ":smile:", "[link=http://x]y[/link]"])
def test_markup_in_text_is_text(text):
    everywhere = answer(text, question=text, reason=text, prompt=text, unusable=(text,), boxes=(found_box(text),))
    assert shown(result(everywhere), width=120).count(text) == 6


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("a\rb", "a\\rb"),
        ("a\u202eb", "a\\u202eb"),
        ("\udc80", "\\udc80"),
        ("a\nb\tc é 椅", "a\nb\tc é 椅"),
    ],
)
def test_control_characters_are_spelled_out(text, expected):
    assert clean(text) == expected


def test_one_line_joins_white_space():
    assert one_line(" a\n\n b\tc\x1b ") == "a b c\\x1b"


def test_the_footer_names_model_frames_and_times():
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(footer(result(answer())))
    text = " ".join(capture.get().split())
    assert "a model (generation-2, 4.2 billion parameters)" in text
    assert "cpu, float32, attention sdpa" in text
    assert "32 of 180, 640x480, PyAV 18.1.0" in text
    assert "decode 0.25 s, total 1.50 s" in text
    assert "camera" not in text


def test_the_footer_names_the_camera_that_drawings_were_made_with():
    found = replace(result(answer()), intrinsics=Intrinsics(320.0, 320.0, 320.0, 240.0, "exif"))
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(footer(found))
    assert "camera 90.0 degrees across (exif)" in " ".join(capture.get().split())

"""The small model's tokenizer: any text comes back, rooms need no spelling out, prompts are short, numbers are cut."""

from pathlib import Path

import pytest
import torch

from tests.unit.data.harness import collect, request_for
from vgcli_core.data.rooms.labels import NYU40
from vgcli_core.data.rooms.looks import COLOURS
from vgcli_core.data.sample import IMAGE
from vgcli_core.data.sources.rooms import DATASET
from vgcli_core.geometry.boxes import OrientedBox
from vgcli_core.model.processor import SYSTEM, Processor
from vgcli_core.model.small_tokenizer import small_tokenizer
from vgcli_core.model.tokenizer import load_tokenizer
from vgcli_core.text.answer_format import format_detection, format_grounding
from vgcli_core.text.prompts import ask_prompt, caption_prompt, detect_prompt, ground_prompt

TOKENIZER = small_tokenizer()
BOX = OrientedBox((0.43, -1.07, 3.71), (0.65, 0.67, 1.65), (0.86, -0.11, 0.0), "washing machine")


def ids_of(text: str) -> list[int]:
    # As Processor does: special tokens that stand in a text are text.
    return list(TOKENIZER(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])


def pieces_of(text: str) -> list[str]:
    return [TOKENIZER.decode([id_]) for id_ in ids_of(text)]


def spelled(text: str) -> list[str]:
    """Return the letters of a text that are tokens of their own, but for options and the article."""
    return [piece for piece in pieces_of(text) if len(piece) == 1 and piece.isalpha() and piece not in "ABCDE"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Where's the sink?",
        " two  blanks, a tab\tand\r\nline ends\n\n",
        "Ünïcode, 漢字 and 🙂 in one",
        "<|im_end|> [-1.5] 1. 2.  -12.25,-3.5, 123.75",
        ground_prompt("the bed", 1).text,
        detect_prompt(1, reference_frame="last").text,
    ],
)
def test_any_text_comes_back_as_it_was(text):
    assert TOKENIZER.decode(ids_of(text)) == text


def test_markup_in_a_text_is_text():
    assert len(ids_of("<|im_end|>")) > 1
    assert TOKENIZER("<|im_end|>", add_special_tokens=False)["input_ids"] == [TOKENIZER.eos_token_id]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("[-1.20, 0.05, 9.99]", ["[-1.", "2", "0", ", 0.", "0", "5", ", 9.", "9", "9", "]"]),
        ("-0.50", ["-0.", "5", "0"]),
        ("24.7", ["24.", "7"]),
        ("157", ["1", "5", "7"]),
        ("A. 12\n1. go", ["A", ".", " ", "1", "2", "\n", "1", ".", " ", "g", "o"]),
        # Too large for a coordinate.
        ("A box, 10.5", ["A", " box", ",", " ", "1", "0", ".", "5"]),
    ],
)
def test_numbers_are_a_whole_part_and_digits(text, pieces):
    assert pieces_of(text) == pieces


def test_what_all_prompts_of_a_kind_have_is_one_token():
    assert len(ids_of(SYSTEM)) == len(ids_of("Frame-3: ")) == len(ids_of(detect_prompt(2).text)) == 1
    assert len(ids_of(ground_prompt("the bed next to the table.", 2).text)) == 2 + 7
    assert len(ids_of(caption_prompt((0.43, -1.07, 3.71)).text)) == 2 + 9
    asked = pieces_of(ask_prompt("How many chair(s) are in this room?").text)
    assert asked[1:4] == ["How many", " chair", "(s) are in this room?"]
    assert len(asked) == 5
    assert len(ids_of(ask_prompt("?", ("bed", "chair")).text)) == 1 + 1 + 1 + 7 + 1


def test_answers_are_the_numbers_of_boxes_and_little_else():
    assert len(ids_of(format_grounding(0, BOX, zeros=True))) == 4 + 9 * 3
    # Two labels of two words, the ends of the list, and what stands before and after each label.
    assert len(ids_of(format_detection([BOX, BOX], zeros=True))) == 2 * (2 + 1 + 9 * 3) + 3


def test_the_names_of_things_and_colours_are_words():
    labels = {name for label in set(NYU40) - {"ceiling", "floor", "wall", "window"} for name in (label, f" {label}")}
    for text in (*labels, *(f" {colour}" for colour in COLOURS)):
        assert not spelled(text), text


@pytest.mark.parametrize("options", [{"preset": "demo"}, {"film_frames": 8, "texts": 4}])
def test_all_that_is_said_of_rooms_is_made_of_words(options):
    options = {"width": 84, "height": 56, **options}
    request = request_for(DATASET, Path("unused"), "train", scenes=8, choice="fixed", num_frames=4, options=options)
    found = collect(DATASET, request).samples
    texts = {turn.text.replace(f"{IMAGE}\n", "").replace(IMAGE, "") for one in found for turn in one.conversations}
    assert len(texts) > 100
    for text in texts:
        assert not spelled(text), text
        assert TOKENIZER.decode(ids_of(text)) == text


def test_a_saved_tokenizer_reads_the_same(tmp_path: Path):
    TOKENIZER.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    for text in (ground_prompt("the bed.", 2).text, format_grounding(0, BOX), "an unknown word<|im_end|>"):
        assert list(loaded(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]) == ids_of(text)
    assert len(loaded) == len(TOKENIZER)
    assert (tmp_path / "tokenizer.json").stat().st_size < 100_000


@pytest.mark.parametrize("frames", [0, 2])
@pytest.mark.parametrize(
    "prompt",
    [
        ask_prompt("How many chair(s) are in this room?"),
        ask_prompt("?", ("bed", "chair")),
        ground_prompt("this is the bed.", 2),
        detect_prompt(2),
        caption_prompt((0.43, -1.07, 3.71)),
    ],
)
def test_a_model_is_asked_in_the_tokens_that_it_was_trained_on(prompt, frames):
    processor = Processor(TOKENIZER, frame_width=84)
    grid = torch.tensor([[1, 2, 2]] * frames).view(-1, 3)
    names = [f"Frame-{number}: " if prompt.frame_names else "" for number in range(frames)]
    asked = "".join(f"{name}{IMAGE}" for name in names) + ("\n" if frames else "") + prompt.text
    turns = [{"from": "human", "value": asked}, {"from": "gpt", "value": "7"}]
    encoded = processor.conversation(turns, grid)
    expected = processor.prompt(prompt.text, grid, frame_names=prompt.frame_names)
    assert encoded.input_ids.tolist()[: len(expected)] == expected
    learnt = encoded.input_ids[encoded.labels != -100]
    assert TOKENIZER.decode(learnt.tolist()) == "7<|im_end|>\n"

"""Plans: which task, which text, why; and what is refused with a way out."""

import json

import pytest

from vgcli_core.errors import UnknownName, UsageError
from vgcli_core.text.prompts import ask_prompt, caption_prompt, detect_prompt, ground_prompt
from vgcli_core.text.questions import Question, plan, read_questions


def test_a_where_question_is_sent_as_a_description_and_says_so():
    found = plan(Question("Where's my IKEA mug on the table?"), 2)
    assert found.task == "ground"
    assert found.prompt == ground_prompt("My ikea mug on the table.", 2)
    assert '"My ikea mug on the table."' in found.reason  # what is said is what is sent
    assert "--task ask" in found.reason
    assert found.question.text == "Where's my IKEA mug on the table?"


def test_asking_in_words_is_honoured():
    found = plan(Question("where is the sink?", task="ask"), 2)
    assert (found.task, found.prompt, found.reason) == ("ask", ask_prompt("where is the sink?"), "")


def test_a_question_that_is_no_place_is_asked_in_words_without_remark():
    assert plan(Question("where should I sit?"), 1).prompt == ask_prompt("where should I sit?")
    assert plan(Question("how many chairs are there?"), 1).reason == ""


def test_plain_wishes_for_all_boxes_are_detected():
    found = plan(Question("detect all objects"), 1)
    assert found.prompt == detect_prompt(1)
    assert "task detect" in found.reason


def test_ground_rewords_questions_and_keeps_descriptions():
    reworded = plan(Question("where is the sink?", task="ground"), 2)
    assert reworded.prompt == ground_prompt("the sink.", 2)
    assert reworded.reason == 'sent as the description "The sink."'
    kept = plan(Question("find the chair.  it is\nbrown.", task="ground"), 2)
    assert kept.prompt == ground_prompt("Find the chair. it is brown.", 2)
    assert kept.reason == ""
    assert plan(Question(" the red chair ?", task="ground"), 2).prompt == ground_prompt("the red chair.", 2)


def test_the_revision_reaches_the_prompt():
    assert plan(Question(task="detect"), 1).prompt == detect_prompt(1)
    assert plan(Question("where is the sink"), 1).prompt == ground_prompt("the sink.", 1)


@pytest.mark.parametrize("text", ["", " ", "list all objects", "Detect the 3D bounding boxes"])
def test_detect_takes_no_text_but_its_own_wish(text):
    assert plan(Question(text, task="detect"), 2).prompt == detect_prompt(2)


def test_detect_with_a_description_points_to_ground():
    with pytest.raises(UsageError, match="takes no text") as error:
        plan(Question("the red chair", task="detect", where="q.jsonl, line 3"), 2)
    assert "--task ground" in error.value.fix
    assert error.value.where == "q.jsonl, line 3"


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("0.4 -0.1 2.3", (0.4, -0.1, 2.3)),
        ("[1, .5, -2.346]", (1, 0.5, -2.35)),
        ("describe the 3D object at (0.4m, 1e-1 m, +2 metres).", (0.4, 0.1, 2)),
        ("0.4,-0.1,2.", (0.4, -0.1, 2)),
    ],
)
def test_caption_takes_a_point(text, point):
    assert plan(Question(text, task="caption"), 2).prompt == caption_prompt(point)


@pytest.mark.parametrize("text", ["the sink", "1 2", "1 2 3 4", "1e999 0 0", "1-2-3", "a1 b2 c3", "nan 1 2"])
def test_caption_without_a_point_shows_an_example(text):
    with pytest.raises(UsageError, match="three numbers") as error:
        plan(Question(text, task="caption"), 2)
    assert "metres" in error.value.fix


@pytest.mark.parametrize("task", ["auto", "ask", "ground", "caption"])
@pytest.mark.parametrize("raw", [False, True])
def test_an_empty_question_is_refused(task, raw):
    with pytest.raises(UsageError, match="empty"):
        plan(Question(" \n", task=task), 2, raw=raw)


def test_a_description_of_question_marks_is_refused():
    with pytest.raises(UsageError, match="no description"):
        plan(Question("??", task="ground"), 2)


def test_raw_text_is_sent_as_it_is():
    found = plan(Question("where is the sink?\n"), 2, raw=True)
    assert (found.task, found.prompt.text, found.prompt.frame_names) == ("ask", "where is the sink?\n", False)
    assert plan(Question("x", task="ground"), 2, raw=True).prompt.frame_names


def test_options_are_asked_by_letter_even_of_a_place():
    found = plan(Question("where is the sink?", options=("left", "right")), 2)
    assert found.prompt == ask_prompt("where is the sink?", ["A. left", "B. right"])


@pytest.mark.parametrize("heading", ["", "Options:\n", "\n"])
def test_options_in_the_text_are_taken_out_of_it(heading):
    found = plan(Question(f"Which is red?\n{heading}A. chair\n B. sofa\n"), 2)
    assert found.question.text == "Which is red?"
    assert found.question.options == ("A. chair", "B. sofa")
    assert found.prompt == ask_prompt("Which is red?", ("A. chair", "B. sofa"))


@pytest.mark.parametrize(
    "text", ["Which?\nA. only one", "Which?\nA. x\nC. y", "A. x\nB. y", "Which?\nA. x\nB. y\nThanks"]
)
def test_lines_that_are_no_complete_list_stay_in_the_question(text):
    found = plan(Question(text), 2)
    assert found.question.options == ()
    assert found.prompt == ask_prompt(text)


@pytest.mark.parametrize("options", [("one",), tuple("x" * 27), ("a", " ")])
def test_options_that_letters_cannot_serve_are_refused(options):
    with pytest.raises(UsageError, match="options"):
        plan(Question("which?", options=options), 2)


def test_options_of_another_task_are_refused():
    with pytest.raises(UsageError, match="no options"):
        plan(Question("the sink", task="ground", options=("a", "b")), 2)


def write(folder, text):
    path = folder / "questions.jsonl"
    path.write_text(text, encoding="utf-8")
    return path


def test_questions_are_read_in_every_allowed_form(tmp_path):
    rows = [
        '"where is the sink?"',
        json.dumps({"question": "which\u2028one?", "task": "ask", "options": ["a", "b"], "id": 7}, ensure_ascii=False),
        "",
        json.dumps({"task": "detect", "id": "boxes", "options": None}),
    ]
    path = write(tmp_path, "\ufeff" + "\r\n".join(rows))
    where = [f"{path}, line {number}" for number in (1, 2, 4)]
    assert read_questions(path) == [
        Question("where is the sink?", where=where[0]),
        Question("which\u2028one?", "ask", ("a", "b"), "7", where[1]),
        Question(task="detect", id="boxes", where=where[2]),
    ]


@pytest.mark.parametrize(
    ("line", "what", "fix"),
    [
        ('{"qestion": "x"}', "unknown key 'qestion'", "did you mean 'question'"),
        ('{"question": "x", "task": "grond"}', "unknown task 'grond'", "did you mean 'ground'"),
        ('{"question": "x"', "not JSON", "write"),
        ("where is it?", "not JSON", "quotes"),
        ("[1, 2]", "an object or a string", "write"),
        ("null", "an object or a string", "write"),
        ('{"question": 5}', "'question' is not a string", "write"),
        ('{"question": "x", "id": true}', "'id' is not a string", "write"),
        ('{"question": "x", "options": "a"}', "not a list of strings", "for example"),
        ('{"question": "x", "options": ["a", 1]}', "not a list of strings", "for example"),
        ('"\\ud800"', "not JSON", "write"),
        ("[" * 100_000, "not JSON", "write"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, what, fix):
    path = write(tmp_path, f'"fine"\n{line}\n')
    with pytest.raises((UsageError, UnknownName)) as error:
        read_questions(path)
    assert what in error.value.what
    assert fix in error.value.fix
    assert error.value.where == f"{path}, line 2"


def test_an_empty_file_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(UsageError, match="no questions"):
        read_questions(write(tmp_path, "\n \n"))
    for path in (tmp_path / "absent.jsonl", tmp_path):
        with pytest.raises(UsageError, match="cannot be read") as error:
            read_questions(path)
        assert error.value.where == str(path)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "video.mp4"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(UsageError, match="cannot be read"):
        read_questions(path)

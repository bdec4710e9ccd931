"""From options to the library's types: what is asked, which frames, and what is refused before any work."""

from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from vgcli import model_options
from vgcli import predict_options as command
from vgcli.main import app
from vgcli_core.errors import MediaError, OutputError, UnknownName, UsageError
from vgcli_core.geometry.boxes import EulerConvention
from vgcli_core.media.sampling import Sampling
from vgcli_core.predict.drawing import Drawing
from vgcli_core.text import prompts

VIDEO = str(Path(__file__).parents[3] / "examples" / "rooms" / "kitchen.mp4")


def sampling(num_frames=None, fps=None, frames=None, start=0.0, max_frames=None) -> Sampling:
    return command.choose_sampling(num_frames, fps, frames, start=start, max_frames=max_frames)


def test_the_words_of_options_are_the_librarys():
    assert set(get_args(command.Task)) == {"auto", *get_args(prompts.Task)}
    assert set(get_args(model_options.Euler)) == set(get_args(EulerConvention))
    assert {int(word) for word in get_args(model_options.Revision)} == set(get_args(prompts.PromptRevision))


def test_the_task_chooses_the_frames_unless_told_otherwise():
    assert sampling() is None
    assert sampling(start=2.5) == Sampling(start=2.5)
    assert sampling(num_frames=8) == Sampling(num_frames=8)
    assert sampling(fps=0.5, max_frames=9) == Sampling(fps=0.5, max_frames=9)
    assert sampling(frames="20, 0,10") == Sampling(indices=(20, 0, 10))


@pytest.mark.parametrize(
    ("wish", "word"),
    [
        ({"num_frames": 8, "fps": 1.0}, "--num-frames and --fps"),
        ({"fps": 1.0, "frames": "1"}, "--fps and --frames"),
        ({"fps": 0.0}, "rate"),
        ({"fps": float("nan")}, "rate"),
        ({"fps": float("inf")}, "rate"),
        ({"start": -1.0}, "time"),
        ({"start": float("nan")}, "time"),
        ({"max_frames": 4}, "--max-frames needs --fps"),
        ({"frames": "1,2", "start": 1.0}, "--start"),
        ({"frames": "1,,2"}, "list of frames"),
        ({"frames": "a"}, "list of frames"),
        ({"frames": "-1"}, "list of frames"),
        ({"frames": ""}, "list of frames"),
    ],
)
def test_contradictions_and_nonsense_about_frames_are_refused(wish, word):
    with pytest.raises(UsageError, match=word) as refused:
        sampling(**wish)
    assert refused.value.fix


def test_questions_come_from_the_line_then_from_the_file(tmp_path):
    file = tmp_path / "questions.jsonl"
    file.write_text('{"question": "a red chair", "task": "ground"}\n"how many?"\n', encoding="utf-8")
    asked = command.gather_questions(["what colour?"], file, "ask")
    assert [(one.text, one.task) for one in asked] == [
        ("what colour?", "ask"),
        ("a red chair", "ground"),
        ("how many?", "ask"),
    ]


def test_detect_needs_no_question():
    assert [one.task for one in command.gather_questions([], None, "detect")] == ["detect"]


@pytest.mark.parametrize("task", ["auto", "ask", "ground", "caption"])
def test_asking_nothing_is_refused_with_an_example(task):
    with pytest.raises(UsageError, match="no question") as refused:
        command.gather_questions([], None, task)
    assert 'vgllm predict video.mp4 "where is the sink?"' in refused.value.fix


@pytest.mark.parametrize(("text", "task"), [("  ", "auto"), ("the chair", "caption"), ("the chair", "detect")])
def test_a_question_that_cannot_be_asked_is_refused_before_any_work(text, task):
    with pytest.raises(UsageError):
        command.gather_questions([text], None, task)


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    taken = tmp_path / "taken"
    taken.touch()
    for out, drawn in ((taken, None), (None, taken)):
        with pytest.raises(OutputError, match="is a file"):
            command.check_early(VIDEO, out, Drawing(drawn))
    command.check_early(VIDEO, tmp_path, Drawing(tmp_path / "new", fov=60.0))


def test_views_are_refused_before_the_model_is_loaded(tmp_path):
    (tmp_path / "taken").touch()
    for name, error in (("a.stl", UnknownName), ("taken/a.glb", OutputError)):
        with pytest.raises(error):
            command.check_early(VIDEO, None, Drawing(views=(tmp_path / "fine.ply", tmp_path / name)))
    command.check_early(VIDEO, None, Drawing(fov=60.0, views=(tmp_path / "new" / "a.glb", tmp_path / "a.json")))
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_missing_source_is_refused_before_the_model_is_loaded():
    with pytest.raises(MediaError, match=r"missing\.mp4"):
        command.check_early("missing.mp4", None, Drawing())


@pytest.mark.parametrize(
    ("camera", "fov", "word"),
    [
        ("1,1,1,1", 60.0, "both"),
        ("1,2", None, "intrinsics"),
        ("no_such_file.txt", None, "no_such_file"),
        (None, 0.0, "field of view"),
        (None, 180.0, "field of view"),
        (None, float("nan"), "field of view"),
    ],
)
def test_two_cameras_or_an_impossible_one_are_refused(tmp_path, camera, fov, word):
    with pytest.raises(UsageError, match=word):
        command.check_early(VIDEO, None, Drawing(tmp_path, camera, fov))


def test_a_camera_without_a_drawing_is_refused():
    with pytest.raises(UsageError, match="drawing"):
        command.check_early(VIDEO, None, Drawing(fov=60.0))


@pytest.mark.parametrize(
    "words",
    [
        ["v.mp4"],
        ["v.mp4", "q", "--fps", "-1"],
        ["v.mp4", "q", "--num-frames", "0"],
        ["v.mp4", "q", "--frames", "x"],
        ["v.mp4", "q", "--batch-size", "0"],
        ["v.mp4", "q", "--euler-convention", "xyz"],
        ["v.mp4", "q", "--prompt-revision", "3"],
        ["v.mp4", "--questions", "no_such_file.jsonl"],
        ["v.mp4", "q", "--view", "scene.obj"],
    ],
)
def test_bad_options_exit_with_2_without_a_traceback_and_with_clean_stdout(words):
    done = CliRunner().invoke(app, ["predict", *words, "--json"])
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr

"""The error boundary and the global options: exit codes 0, 1, 2 and 130, and no traceback unless asked for."""

import warnings

import pytest
import typer
from typer.testing import CliRunner

from vgcli.failures import explain
from vgcli.main import Boundary, app, options
from vgcli_core.errors import CheckpointError
from vgcli_core.version import __version__


class OutOfMemoryError(RuntimeError):
    """Named like torch's own, which is told by its name."""


FAILURES = {
    "input": CheckpointError("key lm_head is missing", where="model.safetensors", fix="download it again"),
    "bug": ZeroDivisionError("division by zero"),
    "interrupt": KeyboardInterrupt(),
    "pipe": BrokenPipeError(32, "Broken pipe"),
    "cuda": OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    "allocator": RuntimeError(
        "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
    ),
    "memory": MemoryError(),
    "exit": typer.Exit(0),
    "usage": typer.BadParameter("no such thing"),
}


def run(*words: str):
    """Run an app with our boundary whose one command fails as it is told."""
    failing = typer.Typer(cls=Boundary, pretty_exceptions_enable=False)
    failing.callback()(options)

    @failing.command()
    def fail(kind: str) -> None:
        raise FAILURES[kind]

    return CliRunner().invoke(failing, list(words))


def test_bad_input_gives_three_lines_and_exit_code_2():
    done = run("fail", "input")
    assert done.exit_code == 2
    assert done.stderr == "error: key lm_head is missing\n  where: model.safetensors\n  fix: download it again\n"
    assert done.stdout == ""


def test_a_bug_gives_its_type_and_what_to_do_and_exit_code_1():
    done = run("fail", "bug")
    assert done.exit_code == 1
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert "--debug" in done.stderr
    assert "report" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", ["bug", "input"])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_debug_shows_the_traceback_wherever_it_stands(kind, position):
    words = ["fail", kind]
    words.insert(position, "--debug")
    done = run(*words)
    assert "Traceback" in done.stderr
    assert done.exit_code == {"bug": 1, "input": 2}[kind]


def test_debug_after_two_dashes_is_an_argument():
    done = CliRunner().invoke(app, ["predict", "missing.mp4", "--fps", "-1", "--", "--debug"])
    assert done.exit_code == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", ["cuda", "allocator", "memory"])
def test_out_of_memory_is_advice_and_no_bug(kind):
    done = run("fail", kind)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: out of memory\n")
    for option in ("--num-frames", "--dtype bfloat16", "--batch-size", "--device cpu"):
        assert option in done.stderr


def test_out_of_memory_in_training_has_other_advice():
    problem, code = explain(FAILURES["cuda"], command="train")
    assert code == 2
    for way in ("batch.micro=1", "run.checkpoint_gradients=true", "run.zero=2", "-lora", "--num-frames 8", "--dry-run"):
        assert way in problem.fix


def test_ctrl_c_is_one_line_and_exit_code_130():
    done = run("fail", "interrupt")
    assert done.exit_code == 130
    assert done.stderr.count("\n") == 1


def test_a_reader_that_went_away_is_no_error():
    done = run("fail", "pipe")
    assert (done.exit_code, done.stderr) == (0, "")


def test_typers_own_ways_out_are_left_to_typer():
    assert run("fail", "exit").exit_code == 0
    usage = run("fail", "usage")
    assert usage.exit_code == 2
    assert "Usage:" in usage.stderr


def test_version_is_one_line_on_stdout():
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"vgllm {__version__}\n")


def test_help_names_only_what_works_with_examples_and_exit_codes():
    done = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80", "NO_COLOR": "1"})
    text = " ".join(done.stdout.split())
    assert done.exit_code == 0
    assert 'vgllm predict video.mp4 "where is the sink?"' in text
    assert all(f" {code} " in text for code in (0, 1, 2, 3, 75, 130))
    assert [command.name for command in app.registered_commands] == ["prepare", "train", "predict", "eval", "export"]


def test_every_command_has_help_with_examples():
    for command in app.registered_commands:
        done = CliRunner().invoke(app, [command.name, "--help"], env={"COLUMNS": "80"})
        assert done.exit_code == 0
        assert f"vgllm {command.name} " in done.stdout.split("Examples")[1]


def test_a_shell_can_complete_commands():
    completed = CliRunner().invoke(
        app,
        [],
        prog_name="vgllm",
        env={"_VGLLM_COMPLETE": "complete_bash", "COMP_WORDS": "vgllm pre", "COMP_CWORD": "1"},
    )
    assert completed.stdout.split() == ["prepare", "predict"]


@pytest.mark.parametrize(
    "words", [["predct"], ["predict", "v.mp4", "q", "--tsk", "ask"], ["predict", "v", "q", "--task", "x"]]
)
def test_wrong_usage_exits_with_2_and_names_what_is_wrong(words):
    done = CliRunner().invoke(app, words, env={"COLUMNS": "80"})
    assert done.exit_code == 2
    assert any(word.strip("-") in done.stderr for word in ("predct", "tsk", "'x'"))
    assert done.stdout == ""


def test_warnings_of_libraries_are_hidden_unless_debug():
    with warnings.catch_warnings():
        warnings.resetwarnings()
        options(debug=False)
        hidden = warnings.filters[:1]
        warnings.resetwarnings()
        options(debug=True)
        assert hidden[0][0] == "ignore"
        assert warnings.filters == []

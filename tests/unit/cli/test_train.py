"""`vgllm train` around a run that is only played: options, refusals, messages, exit codes; and the view of a run."""

import io
import json
import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from vgcli import display, launching, training
from vgcli.main import app
from vgcli_core.errors import DataError, UsageError
from vgcli_core.processes import workers
from vgcli_core.processes.launch import Machine
from vgcli_core.processes.workers import Ended
from vgcli_core.training import sets
from vgcli_core.training.progress import Outcome, Progress, Settings
from vgcli_core.training.recipe_files import load_recipe

NOW = Progress(3, 10, 0.5, 1e-5, 1.25, 1234.5, 2.5, 0.031, 61_200_000_000, 45.0)


class Run:
    """Takes the place of the trainer; `does` decides what happens."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, Settings, object]] = []
        self.does = lambda settings, watch: Outcome("finished", 10, 10, settings.out, written=(settings.out / "model",))

    def train(self, recipe, settings, *, validate=None, watch=None):
        self.calls.append((recipe, settings, validate))
        return self.does(settings, watch)


@pytest.fixture
def fake(tmp_path, monkeypatch) -> Run:
    found = Run()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launching, "trainer", lambda: (found.train, lambda recipe, data: None))
    monkeypatch.setattr(sets, "open_sets", lambda recipe, data: [])
    return found


@pytest.fixture(autouse=True)
def no_world(monkeypatch) -> None:
    """No process of a world, before and after."""
    world = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    for name in (*world, "CUDA_VISIBLE_DEVICES", "DS_ACCELERATOR", workers.LAUNCH, "SLURM_JOB_ID"):
        monkeypatch.setenv(name, "")  # what is set here is removed afterwards
        monkeypatch.delenv(name)


def run(*words: object):
    return CliRunner().invoke(app, ["train", *map(str, words)], env={"COLUMNS": "100", "NO_COLOR": "1"})


def flat(text: str) -> str:
    return " ".join(re.sub(r"[─-╿]", " ", text).split())


def test_without_arguments_help_is_shown():
    shown = flat(run().output)
    assert " train [OPTIONS] Train a model by a recipe" in shown
    for words in ("--recipe", "#SBATCH --signal=USR1@120 --requeue", "[ $? -eq 75 ] && scontrol requeue $SLURM_JOB_ID"):
        assert words in shown


def test_options_reach_the_run(fake, tmp_path):
    done = run(
        "--recipe", "toy", "--set", "optim.lr=1e-4", "--data", "prepared", "--out", "here", "--device", "cpu",
        "--cache-features", "cache", "--cache-limit", 1.5, "--track", "wandb", "--track", "trackio", "--offline",
        "--restart", "--deepspeed", "ds.json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    ((recipe, settings, validate),) = fake.calls
    assert recipe == load_recipe("toy", ["optim.lr=1e-4"])
    assert validate is None
    assert settings.command.startswith("vgllm train --recipe toy --set optim.lr=1e-4 --data prepared")
    assert replace(settings, command="") == Settings(
        data=Path("prepared"),
        out=Path("here"),
        restart=True,
        cache=Path("cache"),
        cache_limit=1_500_000_000,
        trackers=("wandb", "trackio"),
        device="cpu",
        deepspeed=Path("ds.json"),
        offline=True,
    )


def test_a_finished_run_says_what_it_did_and_what_to_do_next(fake):
    def does(settings, watch):
        watch.say("attention: sdpa")
        watch.step(replace(NOW, step=10, measures={"loss": 0.25}))
        return Outcome("finished", 10, 10, settings.out, bad=2, written=(settings.out / "model",))

    fake.does = does
    done = run("--recipe", "toy")
    assert done.exit_code == 0
    for words in (
        "recipe toy: a tiny random model",
        "trained language model, geometry merger",
        "frozen connector, vision tower, geometry encoder",
        "precision float32 products, float32 master weights",
        "batch 8 samples a step = 1 process x 4 at a time x 2 turns",
        "run folder runs/toy",
        "note: attention: sdpa",
        "toy: step 10 of 10, loss 0.5000 (now 0.5000), 1,234 tokens/s, 2.5 samples/s, 3.1 % waiting for data",
        "measured after step 10: loss 0.2500",
        "written: runs/toy/model",
    ):
        assert words in flat(done.stderr)
    assert 'vgllm predict VIDEO "where is the sink?" --model runs/toy/model' in flat(done.stdout)
    assert "left out 2 samples that could not be used: runs/toy/bad.jsonl" in flat(done.stdout)


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 75), ("SIGUSR1", 75)])
def test_a_run_that_was_asked_to_stop_has_a_code_for_schedulers(fake, name, code):
    fake.does = lambda settings, watch: Outcome("interrupted", 4, 10, settings.out, signal=name)
    done = run("--recipe", "toy")
    assert done.exit_code == code
    said = f"interrupted: {name}: saved after step 4 of 10 in runs/toy; run the same command again to continue"
    assert said in flat(done.stderr)


def test_a_signal_before_the_first_step_has_the_same_code(fake):
    fake.does = lambda settings, watch: signal.raise_signal(signal.SIGTERM)
    done = run("--recipe", "toy")
    assert done.exit_code == 75
    assert "SIGTERM: nothing new was to be saved" in done.stderr


def test_ctrl_c_while_loading_is_one_line(fake):
    def does(settings, watch):
        raise KeyboardInterrupt

    fake.does = does
    done = run("--recipe", "toy")
    assert done.exit_code == 130
    assert "interrupted: stopped before the end" in done.stderr


def test_out_of_memory_says_what_helps_in_training(fake):
    def does(settings, watch):
        raise MemoryError

    fake.does = does
    done = run("--recipe", "toy")
    assert done.exit_code == 2
    assert "--set batch.micro=1" in done.stderr
    assert "--dry-run" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--recipe", "romms"], "did you mean 'rooms'?"),
        (["--recipe", "toy", "--set", "optim.lrr=1"], "did you mean optim.lr?"),
        (["--set", "optim.lr=1"], "no recipe is named"),
        (["--recipe", "toy", "--num-gpus", 99], "CUDA device"),
        (["--recipe", "toy", "--gpu-memory", 24], "goes with --dry-run"),
        (["--recipe", "toy", "--nodes", 2, "--device", "cpu"], "is missing"),
    ],
)
def test_bad_input_is_told_before_anything_is_loaded(fake, words, said):
    done = run(*words)
    assert done.exit_code == 2
    assert said in flat(done.stderr)
    assert fake.calls == []


def test_a_tracker_that_nobody_knows_is_wrong_usage(fake):
    done = run("--recipe", "toy", "--track", "paper")
    assert done.exit_code == 2
    assert "'tensorboard'" in done.stderr


def test_missing_data_names_the_command_that_makes_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("--recipe", "toy", "--device", "cpu")
    assert done.exit_code == 2, done.output
    assert "vgllm prepare rooms --scenes 20 --out data/rooms" in flat(done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_the_list_names_every_recipe_and_a_shown_recipe_is_one_again(tmp_path):
    listed = flat(run("--list").stdout)
    assert all(f" {name} " in listed for name in ("spatial", "scene-8b-lora", "rooms"))
    shown = run("--recipe", "toy", "--set", "optim.lr=0.5", "--show")
    (tmp_path / "mine.yaml").write_text(shown.stdout)
    assert load_recipe(str(tmp_path / "mine.yaml")) == load_recipe("toy", ["optim.lr=0.5"])


def test_a_dry_run_says_no_where_memory_is_short(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("--recipe", "spatial", "--dry-run", "--num-gpus", 8, "--offline", "--gpu-memory")
    fits, short = run(*words, 1000), run(*words, 8)
    assert (fits.exit_code, short.exit_code) == (0, 2), fits.output + short.output
    assert "fits: " in fits.stdout
    assert "does not fit: " in short.stdout
    assert "error: the run does not fit" in short.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_asks_for_the_world_that_would_train(fake, monkeypatch):
    from vgcli_core.training import forecast

    asked = []
    monkeypatch.setattr(forecast, "forecast_run", lambda recipe, **values: asked.append(values))
    monkeypatch.setattr(forecast, "check_fits", lambda found: None)
    monkeypatch.setattr(display, "training_forecast", lambda found: None)
    for words in (("--num-gpus", 4, "--nodes", 2), ("--num-processes", 2), (), ("--cache-features", "cache")):
        assert run("--recipe", "toy", "--dry-run", *words).exit_code == 0
    assert fake.calls == []
    assert [(one["world"], one["device"], one["cached"]) for one in asked] == [
        (8, "auto", False),
        (2, "cpu", False),
        (None, "auto", False),
        (None, "auto", True),
    ]


# Several processes


@pytest.fixture
def command(fake, monkeypatch):
    """Play the command that starts processes; returns what was started and takes how it ends."""
    started = []

    def play(status: dict | None = None, **ended: object):
        def run_command(launch) -> Ended:
            started.append(launch)
            if status is not None:
                Path("runs/toy").mkdir(parents=True, exist_ok=True)
                Path("runs/toy/status.json").write_text(json.dumps(status))
            return Ended(**{"code": 0, **ended})

        monkeypatch.setattr(workers, "run_command", run_command)
        return started

    return play


def test_several_processes_are_started_by_a_command_that_is_shown(fake, command):
    started = command({"state": "finished"})
    done = run("--recipe", "toy", "--num-processes", 2, "--set", "optim.lr=1e-4")
    assert done.exit_code == 0, done.output
    (launch,) = started
    assert f"running: {launch}" in flat(done.stderr)
    assert launch.command[-7:] == ("-m", "vgcli", "train", "--recipe", "toy", "--set", "optim.lr=1e-4")
    assert fake.calls == []


@pytest.mark.parametrize(
    ("status", "ended", "code"),
    [
        ({"state": "interrupted", "signal": "SIGINT"}, {"signal": "SIGINT"}, 130),
        ({"state": "interrupted", "signal": "SIGUSR1"}, {"signal": "SIGUSR1"}, 75),
        ({"state": "interrupted", "signal": "SIGTERM"}, {}, 75),  # another machine was told
        ({"state": "finished"}, {"signal": "SIGTERM"}, 0),  # it came too late
        (None, {"signal": "SIGTERM", "code": -9}, 75),
        (None, {"signal": "SIGINT", "code": -9}, 130),
        ({"state": "running"}, {"code": 1}, 2),
        ({"state": "failed", "error": {}}, {"code": 1}, 2),
        (None, {"problem": (DataError("a frame is missing", where="x", fix="y"), 2), "code": -9}, 2),
        (None, {"problem": (UsageError("this is a bug in vgllm: KeyError: 1"), 1), "code": -9}, 1),
    ],
)
def test_the_starter_ends_as_the_run_did(fake, command, status, ended, code):
    command(status, **ended)
    done = run("--recipe", "toy", "--num-processes", 2)
    assert done.exit_code == code, done.output
    if "problem" in ended:
        assert done.stderr.count(ended["problem"][0].what) == 1


def test_what_an_earlier_run_said_is_not_taken_for_this_one(fake, command):
    Path("runs/toy").mkdir(parents=True)
    Path("runs/toy/status.json").write_text('{"state": "finished"}')
    command(None, code=-9)
    done = run("--recipe", "toy", "--num-processes", 2)
    assert done.exit_code == 2
    assert "ended without a word of their own (signal 9)" in done.stderr


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_worker_runs_here_and_the_first_alone_talks(fake, monkeypatch, rank):
    for name, value in {"RANK": rank, "WORLD_SIZE": "2", "LOCAL_RANK": rank, "MASTER_ADDR": "localhost"}.items():
        monkeypatch.setenv(name, value)
    done = run("--recipe", "toy")
    assert done.exit_code == 0, done.output
    assert len(fake.calls) == 1
    assert ("2 processes x 4 at a time x 1 turn" in flat(done.stderr)) == (rank == "0")
    assert (done.output == "") == (rank == "1")


def test_variables_for_one_process_are_set_here(fake, monkeypatch):
    monkeypatch.setattr("vgcli.train.this_machine", lambda wanted: Machine(os.environ, 0, 2, "python"))
    assert run("--recipe", "toy", "--set", "run.zero=2", "--device", "cpu").exit_code == 0
    assert (os.environ["WORLD_SIZE"], os.environ["DS_ACCELERATOR"]) == ("1", "cpu")


# The view


def test_the_mean_loss_forgets_slowly_and_starts_unbiased():
    board = training.Board("rooms")
    board.step(replace(NOW, loss=2.0))
    assert board.loss == pytest.approx(2.0)
    board.step(replace(NOW, loss=0.0))
    # Weights 0.05 for the newest and 0.95 * 0.05 for the one before.
    assert board.loss == pytest.approx(2.0 * 0.95 / 1.95)


def test_the_block_of_a_terminal_names_everything_and_reads_no_markup():
    board = training.Board("[bold]rooms\x1b[2J")
    board.step(replace(NOW, bad=3, measures={"ground/acc@0.25": 0.5}))
    board.doing = "saving [red]step 3"
    text = io.StringIO()
    Console(file=text, width=100, markup=False, highlight=False).print(board)
    shown = flat(text.getvalue())
    for words in (
        "[bold]rooms\\x1b[2J",
        "3 of 10 steps, 45 s left",
        "loss 0.5000, now 0.5000; gradient 1.25; lr 1.00e-05",
        "1,234 tokens/s, 2.5 samples/s, 3.1 % waiting for data, 61.2 GB of memory",
        "left out 3 samples left out: see bad.jsonl",
        "measured after step 3: ground/acc@0.25 0.5000",
        "doing saving [red]step 3",
    ):
        assert words in shown


def test_a_log_gets_a_line_now_and_then_and_at_every_validation(capsys, monkeypatch):
    with display.training("rooms") as (watch, _):
        watch.doing("encoding frames 1 of 3")
        watch.doing("encoding frames 2 of 3")
        for step in range(1, 10):
            watch.step(replace(NOW, step=step, measures={"loss": 0.5} if step == 5 else {}))
            watch.doing(f"saving step {step}")
        watch.step(replace(NOW, step=10))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "rooms: encoding frames 1 of 3",
        "rooms: step 1 of 10",
        "rooms: step 5 of 10",
        "rooms: measured after step 5: loss 0.5000",
        "rooms: step 10 of 10",
    ]


def test_a_terminal_shows_the_block_and_remarks_above_it(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with display.training("rooms") as (watch, board):
        watch.doing("loading the weights")
        watch.step(NOW)
        watch.say("attention: [b]sdpa")
    shown = capsys.readouterr().err
    assert "attention: [b]sdpa" in shown
    assert "3 of 10 steps, 45 s left" in shown
    assert board.doing == ""


@pytest.mark.parametrize(
    ("size", "micro", "world", "said"),
    [
        (64, 1, 8, "64 samples a step = 8 processes x 1 at a time x 8 turns"),
        (8, 4, 2, "8 samples a step = 2 processes x 4 at a time x 1 turn"),
        (10, 4, 2, "10 samples a step in at most 2 processes x 4 at a time x 2 turns"),
    ],
)
def test_a_step_is_shown_as_a_product(size, micro, world, said):
    assert training.batch(size, micro, world) == said


def test_a_step_of_rows_is_shown_as_such():
    said = "8 rows of up to 5 questions a step = 1 process x 8 at a time x 1 turn"
    assert training.batch(8, 8, 1, questions=5) == said


def test_a_lost_process_is_no_bug_of_ours():
    from vgcli.failures import BAD_INPUT, explain

    told, code = explain(RuntimeError("[gloo/pair.cc:537] Connection closed by peer [127.0.0.1]:1"), command="train")
    assert code == BAD_INPUT
    assert told.what == "another process of this run has ended"


def test_a_lost_reader_is_no_bug_of_ours():
    from vgcli.failures import BAD_INPUT, explain

    told, code = explain(RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), command="train")
    assert (told.what, code) == ("a process that reads frames was killed", BAD_INPUT)

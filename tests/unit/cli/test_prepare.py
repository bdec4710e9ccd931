"""`vgllm prepare` on a small fake dataset: what it shows, what it refuses, and its exit codes."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from tests.unit.data.fakes import FAKE, SCENES, raw_folder
from vgcli import preparing
from vgcli import request as command
from vgcli.main import app
from vgcli_core.data import base
from vgcli_core.data.base import Option
from vgcli_core.data.prepare import Progress, Shard
from vgcli_core.data.sources import DATASETS
from vgcli_core.errors import UnknownName, UsageError


@pytest.fixture
def raw(tmp_path, monkeypatch) -> Path:
    monkeypatch.setitem(DATASETS, "fake", FAKE)
    monkeypatch.chdir(tmp_path)
    return raw_folder(tmp_path / "raw")


def run(*words: object):
    return CliRunner().invoke(app, ["prepare", *map(str, words)])


def plain(text: str) -> str:
    """The words of a table, without its lines and columns."""
    return " ".join(re.sub(r"[─-╿]", " ", text).split())


def test_the_words_of_options_are_the_librarys():
    assert get_args(command.Mode) == get_args(base.Mode)
    assert get_args(command.Frames) == get_args(base.FrameChoice)


def test_a_set_goes_to_data_and_its_counts_stand_beside_the_published_ones(raw, tmp_path):
    done = run("fake", "--workers", 1)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "data" / "fake" / "train.jsonl").exists()
    words = plain(done.stdout)
    assert f"train samples {2 * SCENES} {2 * SCENES} scenes {SCENES} {SCENES}" in words
    assert f"train: {2 * SCENES} too small" in words and "train: 1 named twice" in words
    assert "the target is in some frame of" in words and "note a fake" in words
    again = run("fake", "--workers", 1)
    assert again.exit_code == 0 and "nothing was done" in again.stdout


def test_without_files_the_whole_list_says_what_to_get_from_whom_and_where_to_put_it(raw, tmp_path):
    (raw / "fake" / "scenes.txt").unlink()
    done = run("fake", "--raw", raw)
    assert done.exit_code == 2 and not (tmp_path / "data").exists()
    shown = plain(done.stderr)
    assert "missing Scene list" in shown and "nobody, https://example.org" in shown
    assert "error: fake needs files that are not there: 1 of 1 kinds are missing" in shown
    checked = run("fake", "--raw", raw, "--check")
    assert checked.exit_code == 2 and "missing Scene list" in plain(checked.stdout)


def test_check_shows_what_is_there_the_options_and_the_size(raw, tmp_path):
    done = run("fake", "--check")
    assert done.exit_code == 0
    words = plain(done.stdout)
    assert "there Scene list" in words and "speed 1.5 nothing" in words
    assert f"result: about {3 * SCENES} frames, {3 * SCENES / 10:g} MB" in words
    assert not (tmp_path / "data").exists()


def test_a_dry_run_shows_the_plan_and_writes_nothing(raw, tmp_path):
    done = run("fake", "--dry-run", "--split", "train,val", "--scenes", 2)
    assert done.exit_code == 0
    words = plain(done.stdout)
    assert "train 2, val 2 scenes" in words and "val scene1 3" in words and "nothing was written" in words
    assert not (tmp_path / "data").exists()


def test_damaged_scenes_give_exit_code_3_and_a_list(raw, tmp_path):
    (raw / "fake" / "scenes.txt").write_text("scene0\nbad1", encoding="utf-8")
    done = run("fake", "--workers", 1, "--out", "here")
    assert done.exit_code == 3
    assert "left out: 1 damaged unit" in done.stderr
    assert "train bad1: the scene is bad" in done.stderr and "fix: get a better one" in done.stderr
    assert len((tmp_path / "here" / "train.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_a_shard_says_what_is_left_to_the_others(raw):
    done = run("fake", "--workers", 1, "--shard", "1/2")
    assert done.exit_code == 0
    assert "this shard is done: 3 units, 6 samples, 9 frames now" in done.stdout
    again = run("fake", "--workers", 1, "--shard", "1/2")
    assert "0 frames now; 3 of the units were done before" in plain(again.stdout)
    assert "3 units of other shards are not" in done.stdout
    assert "samples 12" in plain(run("fake", "--workers", 1, "--shard", "0/2").stdout)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fakee"], "did you mean 'fake'"),
        ([], "no dataset is named"),
        (["fake", "--split", "trian"], "did you mean 'train'"),
        (["fake", "--split", ""], "unknown split of fake ''"),
        (["fake", "--raw", "raw/fake/scenes.txt"], "scenes.txt is a file"),
        (["rooms", "--layouts", "--out", "raw"], "discard them with --restart"),
        (["rooms", "--layouts", "--dry-run"], "--layouts takes no --dry-run"),
        (["rooms", "--layouts", "--shard", "0/2"], "--layouts takes no --shard"),
        (["fake", "--shard", "2/2"], "shards are 0/2 to 1/2"),
        (["fake", "--shard", "two"], "'two' is no shard"),
        (["fake", "--scenes", "0"], "leaves nothing"),
        (["fake", "--scenes", "scene99"], "there is nothing to prepare"),
        (["fake", "--scenes", "no/such.txt"], "there is no file"),
        (["fake", "--set", "sped=2"], "did you mean 'speed'"),
        (["fake", "--set", "speed=fast"], "'fast' is not a number"),
        (["fake", "--set", "speed"], "sets nothing"),
        (["fake", "--frames", "fixed"], "no choice of frames"),
        (["fake", "--layouts"], "--layouts writes rooms"),
        (["fake", "--show", "data/fake"], "takes a prepared folder"),
    ],
)
def test_wrong_words_are_refused_and_nothing_is_written(raw, tmp_path, words, said):
    done = run(*words) if words else run("--workers", 1)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.output and not (tmp_path / "data").exists()


def test_options_of_a_dataset_keep_their_type():
    assert command.options_of(FAKE, ["speed=2"]) == {"speed": 2.0}
    fast = replace(FAKE, options=(*FAKE.options, Option("preset", "none", "", ("none", "fast"))))
    fast = replace(fast, presets={"fast": {"speed": 9.0}})
    assert command.options_of(fast, []) == {"speed": 1.5, "preset": "none"}
    assert command.options_of(fast, ["preset=fast"]) == {"speed": 9.0, "preset": "fast"}
    # What is set stands, the default too, in whichever order.
    assert command.options_of(fast, ["speed=1.5", "preset=fast"]) == {"speed": 1.5, "preset": "fast"}
    with pytest.raises(UnknownName):
        command.options_of(FAKE, ["a=b"])


def test_scenes_are_a_number_names_or_a_file(tmp_path):
    listed = tmp_path / "val.txt"
    listed.write_text("scene0\nscene1\n", encoding="utf-8")
    assert command.scenes_of("20") == 20
    assert command.scenes_of("a, b") == command.scenes_of("b,a") == frozenset({"a", "b"})
    assert command.scenes_of(str(listed)) == frozenset({"scene0", "scene1"})
    assert command.scenes_of(None) is None
    with pytest.raises(UsageError):
        command.scenes_of(",")


def test_shards_are_counted_from_zero():
    assert command.shard_of("0/8") == Shard(0, 8) and command.shard_of(None) is None


def test_progress_tells_speed_and_the_time_left(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(preparing.time, "monotonic", lambda: now[0])
    clock = preparing.Clock()
    assert clock.line(Progress()) == "reading annotations"
    now[0] += 10
    # 20 of the 30 done scenes are of this run: 2 a second, and 70 are left
    line = clock.line(Progress(total=100, done=30, earlier=10, samples=400, frames=5000, doing="scene7"))
    assert line == "30 of 100, 400 samples, 5,000 frames, 2/s, 35 s left, scene7"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (3900 + 3600, "2 h 05 min")]
)
def test_durations_are_words(seconds, said):
    assert preparing.duration(seconds) == said


@pytest.mark.parametrize(
    ("count", "said"), [(12, "12 bytes"), (1500, "1.5 kB"), (2_340_000_000, "2.34 GB"), (5e13, "50 TB")]
)
def test_sizes_are_words(count, said):
    assert preparing.size(count) == said


def test_the_list_names_every_dataset(raw):
    done = run("--list")
    assert done.exit_code == 0
    assert all(name in done.stdout for name in DATASETS)
    assert "train, (val)" in done.stdout


def test_the_manifest_is_json_that_says_what_was_asked(raw, tmp_path):
    run("fake", "--workers", 1, "--seed", 5, "--set", "speed=3")
    job = json.loads((tmp_path / "data" / "fake" / "manifest.json").read_text(encoding="utf-8"))["job"]
    assert (job["seed"], job["options"], job["splits"]) == (5, {"speed": 3.0}, ["train"])

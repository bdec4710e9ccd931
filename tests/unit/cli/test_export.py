"""`vgllm export`: what it writes and says, and what it refuses."""

import json
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from tests.unit.export.checkpoints import same, tiny_adapter, tiny_folder, weights
from tests.unit.export.records import report, write_evaluation
from vgcli import export as command
from vgcli.main import app
from vgcli_core.errors import UsageError
from vgcli_core.export import plan as library
from vgcli_core.export import predictions as answers


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("saved")
    tiny_folder(root / "base")
    tiny_adapter(root / "adapter", root / "merged")
    return root


def run(*words: object):
    return CliRunner().invoke(app, ["export", *map(str, words)])


def test_the_words_of_options_are_the_librarys():
    assert get_args(command.CheckpointFormat) == get_args(library.Format)
    assert get_args(command.PredictionsFormat) == get_args(answers.Format)


def test_it_says_where_the_weights_are_and_what_they_are(folders, tmp_path):
    done = run(folders / "base", "--out", tmp_path / "out", "--max-shard-size", "1MB", "--dtype", "bfloat16")
    assert done.exit_code == 0, done.stderr
    assert "683,008 parameters, 1.37 MB, in 2 files" in done.stdout
    assert "bfloat16 (208 tensors)" in done.stdout
    assert "converted values became 0" in done.stderr
    assert len(list((tmp_path / "out").glob("*.safetensors"))) == 2


def test_adapters_are_merged(folders, tmp_path):
    done = run(folders / "base", "--adapter", folders / "adapter", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    assert "4 adapters of rank 3" in done.stderr
    assert same(weights(tmp_path / "out"), weights(folders / "merged"))


def test_conventions_that_are_stated_are_recorded(folders, tmp_path):
    done = run(folders / "base", "--out", tmp_path / "out", "--euler-convention", "zxy", "--prompt-revision", "1")
    assert done.exit_code == 0, done.stderr
    assert "as you stated" in done.stderr
    assert json.loads((tmp_path / "out" / "vgllm.json").read_text(encoding="utf-8"))["euler_convention"] == "zxy"


def test_what_the_exporter_adds_is_on_the_card(folders, tmp_path):
    evaluation = write_evaluation(tmp_path / "eval", folders / "base", report())
    words = ("--report", evaluation, "--origin", "backbone=Qwen/Qwen2.5-VL-7B-Instruct", "--origin", "geometry=a/b")
    done = run(folders / "base", "--out", tmp_path / "out", *words)
    assert done.exit_code == 0, done.stderr
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "acc@0.25" in text
    assert "[Qwen/Qwen2.5-VL-7B-Instruct]" in text
    assert "Not known: the geometry encoder" in text


@pytest.mark.parametrize(
    "word", ["backbone", "backbone=", "encoder=a/b", "geometry=VGGT", "geometry=a/b/c", "backbone=/x"]
)
def test_an_origin_is_a_part_and_a_hub_name(word):
    with pytest.raises(UsageError, match="names no part and hub name"):
        command.origins([word])


@pytest.mark.parametrize(
    ("words", "what", "fix"),
    [
        (("nowhere/at/all",), "no folder or file", "existing folder"),
        (("tiny",), "tiny has no folder", "vgllm train"),
        (("{root}/adapter",), "holds adapters alone", "--adapter"),
        (("{root}/base", "--adapter", "{root}/base"), "adapter_config.json is missing", "folder"),
        (("{root}/base", "--report", "{root}/base"), "no report", "report.json"),
        (("{root}/base", "--max-shard-size", "5"), "no size of a file", "5GB"),
        (("{root}",), "config.json is missing", "config.json and weights"),
        (("{root}/base/config.json",), "is a file", "folder"),
    ],
)
def test_bad_input_is_told_in_three_lines_with_exit_code_2(folders, tmp_path, words, what, fix):
    done = run(*(word.format(root=folders) for word in words), "--out", tmp_path / "out")
    assert done.exit_code == 2, done.output
    error, *rest = done.stderr.splitlines()
    assert error.startswith("error:"), done.stderr
    assert what in error
    assert any(line.startswith("  fix:") and fix in line for line in rest)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_word_or_a_missing_folder_is_a_usage_error(folders):
    assert run(folders / "base", "--out", "x", "--dtype", "int8").exit_code == 2
    missing = run(folders / "base")
    assert missing.exit_code == 2
    assert "--out" in missing.stderr


def test_ctrl_c_leaves_nothing_behind(folders, tmp_path, monkeypatch):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vgcli_core.model.save.write_tensors", interrupt)
    done = run(folders / "base", "--out", tmp_path / "out")
    assert done.exit_code == 130
    assert list(tmp_path.iterdir()) == []

"""`vgllm predict` as a user runs it: a new process, a real video, the tiny random model."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from vgcli.main import app
from vgcli_core.media.frames import read_frames
from vgcli_core.predict.loading import SHIPPED
from vgcli_core.predict.result import SCHEMA

QUESTION = "where is the sink?"
QUICK = ("--num-frames", "4", "--max-new-tokens", "8", "--model", "tiny")


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from vgcli.main import main; main()", "predict", *words]


def environment(repository: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("VGLLM_MODEL", "FORCE_COLOR")}
    return {**kept, "PYTHONPATH": str(repository), "PYTHONUTF8": "1", "COLUMNS": "80", **more}


@pytest.fixture(scope="session")
def kitchen(repository: Path) -> str:
    return str(repository / "examples" / "rooms" / "kitchen.mp4")


@pytest.fixture(scope="session")
def vgllm(repository: Path):
    """Run `vgllm predict` in a new process and return what it did."""

    def run(*words: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*words),
            cwd=cwd,
            env=environment(repository, **more),
            check=False,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=300,
        )

    return run


def test_a_question_about_a_real_video_gets_a_readable_answer(vgllm, kitchen):
    done = vgllm(kitchen, QUESTION, *QUICK)
    assert done.returncode == 0, done.stderr
    assert f"question    {QUESTION}" in done.stdout
    assert "task        ground" in done.stdout
    assert "Text: The sink." in " ".join(done.stdout.split())
    assert "untrained" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.stdout + done.stderr
    assert "frames      4 of " in done.stderr
    assert "Warning" not in done.stderr


def test_without_a_model_the_one_that_ships_answers_and_says_what_it_knows(vgllm, kitchen):
    if not (SHIPPED / "model.safetensors").is_file():
        pytest.skip("the demo model is not in this clone: vgcli_core/shipped/rooms holds no model.safetensors")
    done = vgllm(kitchen, QUESTION, "--max-new-tokens", "8", "--json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["model"]["name"] == "demo (synthetic rooms)"
    assert shown["model"]["untrained"] is False
    assert "note: the demo model knows synthetic rooms only; give --model for real videos\n" in done.stderr
    assert shown["notes"][0] == "the demo model knows synthetic rooms only; give --model for real videos"
    # As many frames as in its training, over the whole clip of 61.
    assert [frame["index"] for frame in shown["frames"]] == [0, 20, 40, 60]
    assert "\nText: The sink.\n" in shown["answers"][0]["prompt"]


@pytest.fixture(scope="session")
def written(vgllm, kitchen, tmp_path_factory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """One run with two questions, --json and --out; and its folder."""
    out = tmp_path_factory.mktemp("runs") / "deep" / "one"
    return vgllm(kitchen, QUESTION, "how many chairs are there?", *QUICK, "--json", "--out", str(out)), out


def test_json_and_out_hold_the_documented_form_and_nothing_else(written):
    done, out = written
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown == json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert [path.name for path in out.iterdir()] == ["result.json"]
    assert shown["schema"] == SCHEMA
    assert shown["conventions"]["euler"].startswith("intrinsic ZXY")
    assert [answer["task"] for answer in shown["answers"]] == ["ground", "ask"]
    assert "Text: The sink." in shown["answers"][0]["prompt"]
    assert [frame["position"] for frame in shown["frames"]] == [0, 1, 2, 3]
    assert shown["counts"]["encoder_calls"] == 1
    assert shown["model"]["untrained"] is True
    assert shown["model"]["attention"]
    assert {"torch", "transformers"} <= shown["versions"].keys()
    assert "untrained" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has file names that are no text")
def test_a_file_name_that_is_not_utf8_is_asked_and_written(kitchen, tmp_path, monkeypatch):
    strange = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    strange.write_bytes(Path(kitchen).read_bytes())
    monkeypatch.delenv("VGLLM_MODEL", raising=False)
    done = CliRunner().invoke(app, ["predict", str(strange), QUESTION, *QUICK, "--out", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.stderr
    for text in (done.stdout, (tmp_path / "result.json").read_text(encoding="utf-8")):
        assert json.loads(text)["source"] == str(strange)


def test_every_field_of_the_json_is_documented_in_readme(written, repository):
    shown = json.loads(written[0].stdout)
    text = (repository / "README.md").read_text(encoding="utf-8").split("## JSON")[1].split("## Score answers")[0]
    fields = {*shown, *shown["frames"][0], *shown["answers"][0], *shown["model"]}
    assert sorted(name for name in fields if f"`{name}" not in text) == []


def test_boxes_are_drawn_with_the_camera_that_was_used(vgllm, kitchen, tmp_path):
    done = vgllm(kitchen, QUESTION, *QUICK, "--save-vis", str(tmp_path / "drawn"), "--fov", "60", "--json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["intrinsics"]["source"] == "fov"
    assert all(Path(path).is_file() for path in shown["drawn"])


def test_boxes_are_written_in_3d_and_in_pictures(vgllm, kitchen, tmp_path):
    files = [tmp_path / "views" / f"scene{ending}" for ending in (".glb", ".ply", ".json", ".png", ".mp4")]
    views = [word for file in files for word in ("--view", str(file))]
    done = vgllm(kitchen, QUESTION, *QUICK, *views, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["drawn"] == [str(file) for file in files]
    assert json.loads(done.stdout)["intrinsics"]["source"] == "assumed"
    assert "58 degrees is assumed" in done.stderr
    assert "camera      58.0 degrees across (assumed)" in done.stderr
    assert files[0].read_bytes()[:4] == b"glTF"
    assert files[1].read_text(encoding="ascii").startswith("ply\n")
    assert json.loads(files[2].read_text(encoding="utf-8"))["schema"] == "vgllm.scene/1"
    assert Image.open(files[3]).width > 600
    assert len(read_frames(files[4]).images) > 4


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["missing.mp4", QUESTION], "missing.mp4"),
        (["{kitchen}", QUESTION, "--model", "missing/folder/of/weights"], "missing/folder/of/weights"),
        (["{kitchen}", QUESTION, "--frames", "100000"], "100000"),
        (["{kitchen}", QUESTION, "--device", "cuda:99"], "cuda:99"),
        (["{kitchen}", QUESTION, "--save-vis", "drawn", "--intrinsics", "1,2"], "--intrinsics"),
        (["{kitchen}", QUESTION, "--view", "scene.glb", "--view", "scene.usd"], "scene.usd"),
    ],
)
def test_bad_input_exits_with_2_says_what_and_leaves_nothing(kitchen, tmp_path, monkeypatch, words, named):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VGLLM_MODEL", raising=False)
    done = CliRunner().invoke(app, ["predict", *(word.format(kitchen=kitchen) for word in words), "--out", "out"])
    assert done.exit_code == 2, done.stderr
    assert done.stdout == ""
    assert named in done.stderr
    assert done.stderr.startswith("error: ")
    assert "  fix: " in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.rglob("*")) == []


def test_bad_input_is_the_same_in_a_process_of_its_own(vgllm):
    done = vgllm("missing.mp4", QUESTION, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
def test_ctrl_c_exits_with_130_in_one_line_and_leaves_nothing(kitchen, repository, tmp_path):
    long = ("--model", "tiny", "--num-frames", "32", "--max-new-tokens", "2000")
    words = command(kitchen, QUESTION, *long, "--out", str(tmp_path / "out"))
    running = subprocess.Popen(
        words, env=environment(repository), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(1.5)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert out == ""
    assert err.count("\n") == 1
    assert list(tmp_path.rglob("*.json")) == []


@pytest.mark.skipif(os.name == "nt", reason="needs a pipe that closes early")
def test_a_reader_that_goes_away_is_no_error(kitchen, repository):
    running = subprocess.Popen(
        command(kitchen, QUESTION, *QUICK, "--json"),
        env=environment(repository),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    running.stdout.close()
    err = running.stderr.read()
    assert running.wait(timeout=300) == 0, err
    assert "Broken" not in err

"""A real training run, its real evaluation, and the export of its model: the card holds what both have recorded."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.unit.training.runs import prepare_rooms, recipe, run
from vgcli.main import app
from vgcli_core.export.checkpoint import export_checkpoint
from vgcli_core.export.plan import Wish
from vgcli_core.predict.loading import load

VIDEO = Path(__file__).parents[2] / "examples" / "rooms" / "kitchen.mp4"


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("work")
    data = prepare_rooms(root / "data")
    run(recipe(), data, root / "run")
    words = [
        "eval",
        "rooms",
        "--model",
        root / "run" / "model",
        "--data",
        data,
        "--out",
        root / "eval",
        "--device",
        "cpu",
    ]
    done = CliRunner().invoke(app, [*map(str, words), "--limit", "4", "--workers", "0", "--max-new-tokens", "4"])
    assert done.exit_code == 0, done.output
    return root


def test_its_card_holds_what_training_and_evaluation_have_recorded(work, tmp_path):
    done = export_checkpoint(work / "run" / "model", tmp_path / "out", Wish(reports=(work / "eval",)))
    text = (done.folder / "README.md").read_text(encoding="utf-8")
    assert "| rooms | rooms | train |" in text
    assert "max_steps: 6" in text
    assert "random weights, drawn by vgllm (tiny)" in text
    assert "**rooms**" in text
    assert "95 % interval" in text
    assert "No weights of others are in it." in text
    assert str(work) not in text


def test_the_exported_model_answers_as_the_one_of_the_run(work, tmp_path):
    done = export_checkpoint(work / "run" / "model", tmp_path / "out", Wish(max_shard_size="500KB"))
    asked = ["where is the sink?", "How many chair(s) are in this room?"]
    texts = []
    for folder in (work / "run" / "model", done.folder):
        model = load(folder, device="cpu", dtype="float32")
        texts.append([model.ask(VIDEO, question, max_new_tokens=12).text for question in asked])
    assert texts[0] == texts[1]
    assert all(texts[0])

"""The model card: complete with records, honest without, and never markup from what records say."""

from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from tests.unit.export.checkpoints import tiny_adapter, tiny_folder
from tests.unit.export.records import DRAWN, from_hub, report, score, write_evaluation, write_run
from vgcli_core.export.checkpoint import export_checkpoint
from vgcli_core.export.markdown import inline, table
from vgcli_core.export.plan import Wish
from vgcli_core.model.tiny import tiny_model

SECTIONS = [
    "Use",
    "What it is made of",
    "Conventions",
    "Training",
    "Scores",
    "Licences",
    "How this folder was made",
    "Cite",
]
QWEN, VGGT = "Qwen/Qwen2.5-VL-3B-Instruct", "facebook/VGGT-1B"


def written(folder: Path, out: Path, wish: Wish) -> tuple[str, dict]:
    """Export; return the card's text, on one line, and the header as the hub reads it."""
    done = export_checkpoint(folder, out, wish)
    loaded = ModelCard.load(done.folder / "README.md")
    assert [line[3:] for line in loaded.text.splitlines() if line.startswith("## ")] == SECTIONS
    return " ".join(loaded.text.split()), loaded.data.to_dict()


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A model in the folder of a run that began with published weights."""
    weights = {"weights": from_hub(QWEN), "geometry_weights": from_hub(VGGT)}
    root = tmp_path_factory.mktemp("saved")
    run = write_run(root / "run", weights, datasets=("scanrefer", "rooms"))
    return tiny_folder(run / "model")


def test_a_model_of_a_run_has_parts_licences_recipe_data_and_scores(trained, tmp_path):
    evaluation = write_evaluation(tmp_path / "eval", trained, report(score(), score("size error", unit="m")))
    text, header = written(trained, tmp_path / "mine", Wish(reports=(evaluation,)))
    assert "# mine" in text
    encoder = sum(parameter.numel() for parameter in tiny_model()[0].geometry_encoder.parameters())
    assert f"| geometry encoder | {encoder:,} |" in text
    assert "| all | 683,008 |" in text
    assert "| scanrefer | scanrefer | train | 1,000 | 480 |" in text
    assert "language model (low-rank adapters)" in text
    assert "trained: language_model: lora" in text  # the recipe
    assert "**No commercial use**: the licences of the backbone and the geometry encoder forbid it." in text
    assert f"[{VGGT}](https://huggingface.co/{VGGT}) | CC BY-NC 4.0" in text
    assert "ScanRefer Terms of Use" in text
    assert "Data made by vgllm itself, from nothing of others: rooms." in text
    assert "R = Rz(a) @ Rx(b) @ Ry(c)" in text
    assert "revision 2" in text
    assert "50.0 | 25.0 to 75.0" in text
    assert header["license"] == "other"
    assert header["license_name"] == "see-model-card"
    assert header["base_model"] == [QWEN, VGGT]
    (result,) = header["model-index"][0]["results"]
    assert (result["dataset"]["type"], result["metrics"][0]["value"]) == ("scanrefer", 0.5)


def test_a_folder_of_unknown_origin_says_so_everywhere(tmp_path):
    text, header = written(tiny_folder(tmp_path / "tiny"), tmp_path / "out", Wish())
    assert "**Not known: the backbone, the geometry encoder.** Ask before you use or share it." in text
    assert "Nothing is recorded of its training." in text
    assert "No evaluation is on record." in text
    assert "| the backbone | not known | **not known** | nobody |" in text
    assert "random and untrained" in text
    assert header["license"] == "unknown"
    assert "base_model" not in header


def test_what_an_exporter_states_is_told_as_that(tmp_path):
    wish = Wish(origins={"backbone": QWEN, "geometry encoder": VGGT})
    text, header = written(tiny_folder(tmp_path / "tiny"), tmp_path / "out", wish)
    assert "whoever exported it" in text
    assert header["base_model"] == [QWEN, VGGT]


def test_the_field_of_view_is_told_where_it_is_recorded(tmp_path):
    source = tiny_folder(tmp_path / "source", horizontal_fov=58.5)
    assert "58.5 degrees, horizontally" in written(source, tmp_path / "out", Wish())[0]


def test_a_plain_backbone_has_no_geometry_encoder_in_its_card(tmp_path):
    plain = tiny_folder(tmp_path / "plain", geometry_encoder="none")
    text, header = written(plain, tmp_path / "out", Wish(origins={"backbone": "Qwen/Qwen2.5-VL-7B-Instruct"}))
    assert "without a geometry encoder" in text
    assert "| the geometry encoder |" not in text
    assert header["license"] == "apache-2.0"


@pytest.mark.parametrize(("choices", "word"), [({"blind": True}, "sees nothing"), ({}, "without a geometry encoder")])
def test_controls_are_called_what_they_are(tmp_path, choices, word):
    source = tiny_folder(tmp_path / "source", geometry_encoder="none", **choices)
    assert word in written(source, tmp_path / "out", Wish())[0]


def test_older_conventions_are_spelled_out(tmp_path):
    wish = Wish(euler_convention="zxy", prompt_revision=1)
    text, _ = written(tiny_folder(tmp_path / "tiny"), tmp_path / "out", wish)
    assert "**extrinsic zxy**, R = Ry(c) @ Rx(b) @ Rz(a)" in text
    assert "revision 1" in text
    assert "stated by the user" in text


def test_changes_that_the_export_made_are_listed(tmp_path):
    base = tiny_folder(tmp_path / "base")
    adapter = tiny_adapter(tmp_path / "adapter", tmp_path / "merged")
    text, _ = written(base, tmp_path / "out", Wish(adapter=adapter, dtype="bfloat16"))
    assert "4 adapters of rank 3 are added" in text
    assert "converted values became 0" in text
    assert "bfloat16 (208 tensors)" in text


def test_published_layouts_are_named_with_what_they_leave_to_our_file(tmp_path):
    wish = Wish(format="generation-2", geometry_sizes=tiny_model()[0].config.geometry)
    text, _ = written(tiny_folder(tmp_path / "tiny"), tmp_path / "out", wish)
    assert "second generation" in text
    assert "does not look at `vgllm.json`" in text


def test_no_folder_of_this_machine_is_in_a_card_or_record(tmp_path):
    run = write_run(tmp_path / "run", DRAWN, start={"weights": str(tmp_path / "secret")})
    tiny_folder(run / "model")
    done = export_checkpoint(run / "model", tmp_path / "out")
    for name in ("README.md", "export.json"):
        assert str(tmp_path.parent) not in (done.folder / name).read_text(encoding="utf-8")


def test_text_from_records_is_no_markup(tmp_path):
    run = write_run(
        tmp_path / "run", DRAWN, datasets=("</details>|x\n# y",), description="**[x](http://y)**\n# z ``` <b>"
    )
    tiny_folder(run / "model")
    text = (export_checkpoint(run / "model", tmp_path / "out").folder / "README.md").read_text(encoding="utf-8")
    assert "\n# y" not in text
    assert "\n# z" not in text
    assert text.count("</details>") == 1  # that of the recipe
    assert text.count("```") % 2 == 0
    assert inline("a|b\n<c> *d*") == r"a\|b \<c\> \*d\*"
    assert list(table(("a",), [("x|y\nz",)])) == ["| a |", "|---|", "| x&#124;y z |"]


def test_a_published_checkpoint_is_told_by_its_name(tmp_path):
    source = tiny_folder(tmp_path / "source")
    done = export_checkpoint(source, tmp_path / "out", name="zd11024/vgllm-3d-vggt-4b")
    text = " ".join((done.folder / "README.md").read_text(encoding="utf-8").split())
    assert "Published as zd11024/vgllm-3d-vggt-4b: see its page for what it was trained on." in text
    assert f"| the backbone | [{QWEN}](https://huggingface.co/{QWEN}) | Qwen Research License" in text
    assert "**Not known: what zd11024/vgllm-3d-vggt-4b adds to its parts.**" in text
    assert "**No commercial use**" in text

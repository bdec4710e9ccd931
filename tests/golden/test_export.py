"""Exported recordings of the reference implementation: every format loads, and nothing that was recorded changes."""

import shutil
from pathlib import Path

import pytest

from tests.golden.cases import Case, find_cases, trimmed
from tests.unit.export.checkpoints import same
from vgcli_core.export.checkpoint import Wish, export_checkpoint
from vgcli_core.model.checkpoint import Options, load_model
from vgcli_core.model.tiny import tiny_tokenizer
from vgcli_core.model.vgllm import VGLLM

CPU = Options(device="cpu", dtype="float32", attention="sdpa")


@pytest.fixture(scope="module")
def cases(golden_or_copy: Path, tmp_path_factory) -> list[Case]:
    """The recorded checkpoints, each with a tokenizer beside it, which exports ask for."""
    root = tmp_path_factory.mktemp("cases")
    found = []
    for case in find_cases(golden_or_copy):
        folder = root / f"{case.folder.parents[1].name}-{case.name}"
        shutil.copytree(case.folder, folder)
        tiny_tokenizer().save_pretrained(folder)
        found.append(Case(folder))
    return found


def load(folder: Path) -> VGLLM:
    """Load an export as anybody would: it says everything itself."""
    return load_model(folder, CPU)[0]


def answers_as_recorded(case: Case, model: VGLLM) -> bool:
    again = Case(case.folder)
    again.__dict__["model"] = model
    return again.generate() == trimmed(case.outputs["gen.new_tokens"].tolist(), again.ends)


def test_our_own_form_of_every_recording_is_the_same_model_and_answers_as_recorded(cases, tmp_path):
    for case in cases:
        wish = Wish(geometry_sizes=case.sizes, max_shard_size="300KB")
        done = export_checkpoint(case.folder, tmp_path / case.folder.name, wish)
        model = load(done.folder)
        assert same(model.state_dict(), case.model.state_dict()), case.name
        assert model.config == case.model.config, case.name
        assert answers_as_recorded(case, model), case.name

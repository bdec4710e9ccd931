"""A handful of samples to be learnt by heart, and what a model answers to them."""

import hashlib
import itertools
import json
import shutil
from pathlib import Path

from vgcli_core.data.prepared import open_prepared
from vgcli_core.data.sample import to_line
from vgcli_core.model.answer import answers
from vgcli_core.model.processor import Processor
from vgcli_core.model.vgllm import VGLLM


def few_answers(rooms: Path, data: Path, count: int) -> Path:
    """Copy a data folder, and leave `count` samples of training, of the kinds with short answers."""
    shutil.copytree(rooms, data)
    # One of each question: some have several right answers.
    asked = {(one.frames, one.question): one for one in open_prepared(rooms / "rooms").samples("train")}
    samples = list(asked.values())
    kinds = [[one for one in samples if one.task == task] for task in ("ask", "ground", "caption")]
    mixed = [one for row in itertools.zip_longest(*kinds) for one in row if one is not None]
    lines = "".join(f"{to_line(one)}\n" for one in mixed[:count])
    (data / "rooms" / "train.jsonl").write_text(lines, encoding="utf-8", newline="\n")
    manifest = json.loads((data / "rooms" / "manifest.json").read_text())
    manifest["splits"]["train"] |= {"samples": count, "sha256": hashlib.sha256(lines.encode()).hexdigest()}
    (data / "rooms" / "manifest.json").write_text(json.dumps(manifest))
    return data


def answers_of(model: VGLLM, processor: Processor, data: Path) -> tuple[list[str], list[str]]:
    """What the model answers, and what it learnt."""
    prepared = open_prepared(data / "rooms")
    samples = list(prepared.samples("train"))
    found = answers(model, processor, samples, prepared.images)
    return list(found), [one.answer for one in samples]

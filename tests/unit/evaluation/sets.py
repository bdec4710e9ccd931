"""Prepared sets for tests of runs: a few VSI-Bench questions about small pictures, written without `prepare`."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vgcli_core.data.draws import numpy_generator
from vgcli_core.data.prepared import SCHEMA
from vgcli_core.data.sample import Sample, Turn, human_turn, to_line

LETTERS = "ABCD"


def question(number: int, *, scene: int = 0, frames: int = 2, answer: str = "") -> Sample:
    """Question `number` about a scene; its right answer goes through the letters."""
    names = tuple(f"{scene}/{place}.png" for place in range(frames))
    truth = {
        "question_type": "route_planning",
        "ground_truth": answer or LETTERS[number % 4],
        "dataset": "scannet",
        "scene_name": f"scene{scene:04d}_00",
        "options": list(LETTERS),
    }
    turns = (human_turn(f"question {number}?", frames, newline="\n"), Turn("gpt", ""))
    return Sample(
        f"q{number:03d}",
        "vsi_bench",
        "test",
        truth["scene_name"],
        "ask",
        names,
        turns,
        options=tuple(LETTERS),
        truth=truth,
    )


def write_set(
    data: Path, samples: Sequence[Sample], *, dataset: str = "vsi_bench", split: str = "test", **manifest: Any
) -> Path:
    """Write samples and their pictures, 28 x 56 pixels, to `data`/`dataset`, as `prepare` lays them out."""
    root = data / dataset
    for name in dict.fromkeys(name for sample in samples for name in sample.frames):
        path = root / "frames" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = numpy_generator(0, name).integers(0, 255, (28, 56, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
    root.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{to_line(sample)}\n" for sample in samples)
    (root / f"{split}.jsonl").write_text(text, encoding="utf-8", newline="\n")
    found = {
        "schema": SCHEMA,
        "dataset": dataset,
        "job": {"dataset": dataset, "with_frames": True},
        "splits": {split: {"samples": len(samples), "sha256": hashlib.sha256(text.encode()).hexdigest()}},
        "frames": {"sha256": "0" * 64},
        "conventions": {"prompt_revision": 2},
        **manifest,
    }
    (root / "manifest.json").write_text(json.dumps(found), encoding="utf-8")
    return data

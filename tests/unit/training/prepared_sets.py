"""Prepared sets for tests of training: a few samples on a handful of small pictures, written without `prepare`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from vgcli_core.data.draws import numpy_generator
from vgcli_core.data.prepared import Prepared
from vgcli_core.data.sample import Sample, Turn, human_turn, to_line

FRAMES = ("a.png", "b.png", "c.png", "d.png")


def ask(
    name: str, *, frames: int = 2, scene: str = "room", words: int = 3, answer: str = "That one.", **more
) -> Sample:
    """A question about the first `frames` pictures; without any, about nothing."""
    text = human_turn("what " * words, frames, newline="\n" if frames else "")
    turns = (text, Turn("gpt", answer)) if answer else (text,)
    return Sample(name, "fake", "train", scene, more.pop("task", "ask"), FRAMES[:frames], turns, **more)


def write_set(root: Path, samples: Sequence[Sample]) -> Prepared:
    """Write samples and pictures of 28x56 pixels; the manifest is kept in memory."""
    (root / "frames").mkdir(parents=True)
    for name in FRAMES:
        noise = numpy_generator(0, name).integers(0, 255, (28, 56, 3), dtype=np.uint8)
        Image.fromarray(noise).save(root / "frames" / name)
    lines = "".join(f"{to_line(sample)}\n" for sample in samples)
    (root / "train.jsonl").write_text(lines, encoding="utf-8", newline="\n")
    return Prepared(root, {"splits": {"train": {"samples": len(samples)}}})

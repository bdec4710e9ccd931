"""Prepared sets for tests of training: a few samples on a handful of small pictures, written without `prepare`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vgcli_core.data.draws import numpy_generator
from vgcli_core.data.mixture import Part, mix
from vgcli_core.data.prepared import Prepared
from vgcli_core.data.sample import Sample, Turn, human_turn, to_line
from vgcli_core.model.processor import Processor
from vgcli_core.training.examples import Example, Examples

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


def examples_in(root: Path, processor: Processor, *samples: Sample, **settings) -> Examples:
    """The examples of a set with these samples, which is written to `root`."""
    mixture, _ = mix([Part("set", write_set(root, samples), "train")], seed=0)
    return Examples(mixture, processor, **{"max_length": 1000, **settings})


def same(one: Example, other: Example) -> bool:
    frames = one.frames is None and other.frames is None
    return (
        (one.index, one.id, one.key, one.shortened) == (other.index, other.id, other.key, other.shortened)
        and torch.equal(one.encoded.input_ids, other.encoded.input_ids)
        and torch.equal(one.encoded.labels, other.encoded.labels)
        and torch.equal(one.grid_thw, other.grid_thw)
        and (frames or torch.equal(one.frames, other.frames))
    )

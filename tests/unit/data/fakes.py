"""A dataset for tests of the engine: scenes of a few pictures, made from a seed; some are bad on purpose."""

import io
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from vgcli_core.data.base import Dataset, Need, Option, Plan, Request, Unit, Work
from vgcli_core.data.draws import generator, numpy_generator
from vgcli_core.data.sample import Sample, Turn, human_turn
from vgcli_core.errors import DataError

SCENES = 6


def picture(seed: int, *names: object) -> bytes:
    """A small JPEG of noise."""
    pixels = numpy_generator(seed, *names).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def needs(request: Request) -> list[Need]:
    return [Need("Scene list", ("fake/scenes.txt", "scenes.txt"), "nobody", "https://example.org")]


def plan(request: Request) -> Plan:
    listed = needs(request)[0].require(request.raw)
    names = request.wanted(listed.read_text(encoding="utf-8").split())
    units = [Unit(name, split, {"number": place}, 3) for split in request.splits for place, name in enumerate(names)]
    return Plan(
        units,
        drops={split: {"named twice": 1} for split in request.splits},
        counts={split: {"scenes": len(names)} for split in request.splits},
        notes=("a fake",),
        inputs=(listed,),
    )


def build(unit: Unit, request: Request, work: Work) -> Iterator[Sample]:
    if unit.key.startswith("slow"):
        time.sleep(0.15)
    if unit.key.startswith("dies"):
        os.kill(os.getpid(), signal.SIGKILL)
    draws = generator(request.seed, unit.split, unit.key)
    for number in range(2):
        names = [f"fake/{unit.key}/{place:02d}.jpg" for place in range(3)]
        for place, name in enumerate(names):
            work.frame(name, lambda place=place: picture(request.seed, unit.key, place))
        if unit.key.startswith("bad") and number == 1:
            raise DataError("the scene is bad", where=unit.key, fix="get a better one")
        if unit.key.startswith("bug"):
            raise ZeroDivisionError("one over nothing")
        if unit.key.startswith("cut"):
            work.frame(f"fake/{unit.key}/cut.jpg", picture(0, 0)[:-40])
        shown = draws.random() < 0.5
        if not shown:
            work.note("a target is hidden")
        turns = (human_turn(f"What is {draws.randint(0, 999)}?\nÄ", 3, newline="\n"), Turn("gpt", "That."))
        yield Sample(
            f"{unit.key}/{number}",
            "fake",
            unit.split,
            unit.key,
            "ask",
            tuple(names),
            turns,
            target_visible=shown,
            info={"order": 100 * unit.payload["number"] - number},
        )
    if unit.key.startswith("odd"):
        odd = Sample(f"{unit.key}/odd", "fake", unit.split, unit.key, "ask", (), (Turn("human", "half: \ud83d"),))
        yield odd
        yield replace(odd, id="nan", conversations=turns, info={"area": float("nan")})
        yield replace(odd, id="twice", conversations=turns)
        yield replace(odd, id="twice", conversations=turns)
    work.drop("too small", 2)


def record(sample: Sample) -> dict:
    return {"images": list(sample.frames), "id": sample.id}


FAKE = Dataset(
    "fake",
    "a fake",
    ("train", "val"),
    ("train",),
    needs,
    plan,
    build,
    num_frames=3,
    published={"train": {"scenes": SCENES, "samples": 2 * SCENES}},
    options=(Option("speed", 1.5, "nothing"),),
    record=record,
    record_file=lambda split, frames, *_: f"fake_{split}_{frames}frames.json",
)


def raw_folder(folder: Path, *names: str) -> Path:
    (folder / "fake").mkdir(parents=True)
    (folder / "fake" / "scenes.txt").write_text(
        "\n".join(names or [f"scene{n}" for n in range(SCENES)]), encoding="utf-8"
    )
    return folder

"""The run whose losses are kept in `reference_log/log.json`: how it is made, and how it is made again.

Write the log anew, where the change that moved it is wanted: python -m tests.golden.reference_run
"""

import json
import platform
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from vgcli_core.data.base import Request
from vgcli_core.data.prepare import Settings as PrepareSettings
from vgcli_core.data.prepare import prepare
from vgcli_core.data.sources import DATASETS
from vgcli_core.training.log import read_log
from vgcli_core.training.progress import Progress, Settings, Watch
from vgcli_core.training.recipe_files import load_recipe
from vgcli_core.training.run import train

FOLDER = Path(__file__).parent / "reference_log"
LOG, RECIPE = FOLDER / "log.json", FOLDER / "recipe.yaml"
ROOMS = 12
STEPS = 200
THREADS = 1
PACKAGES = ("torch", "transformers", "numpy", "pillow", "scipy")


class Enough(Exception):
    """As many steps are done as were asked for."""


def losses(folder: Path, steps: int, *, threads: int = THREADS) -> list[float]:
    """Make the rooms and run in `folder`; return the loss of each of the first `steps`."""
    settings = replace(_prepared(folder), out=folder / "run", cache=folder / "cache", device="cpu")

    def after(now: Progress) -> None:
        if now.step == steps:
            raise Enough

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        train(load_recipe(str(RECIPE)), settings, watch=Watch(step=after))
    except Enough:
        pass
    finally:
        torch.set_num_threads(before)
    return [line["loss"] for line in read_log(settings.out)]


def made_with() -> dict[str, Any]:
    """Return what the numbers may depend on, beside the recipe and the code."""
    return {
        "threads": THREADS,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def _prepared(folder: Path) -> Settings:
    rooms = DATASETS["rooms"]
    options = rooms.options_with({"preset": "demo"})
    request = Request(Path(), ("train",), choice="fixed", scenes=ROOMS, num_frames=4, cameras=False, options=options)
    prepare(rooms, request, PrepareSettings(folder / "data" / "rooms"))
    return Settings(folder / "data", folder)


def main() -> None:
    """Run, and write the log."""
    commands = [
        f"vgllm prepare rooms --set preset=demo --frames fixed --num-frames 4 --scenes {ROOMS} --split train "
        "--no-cameras --out data/rooms",
        "OMP_NUM_THREADS=1 vgllm train --recipe tests/golden/reference_log/recipe.yaml --device cpu "
        "--cache-features cache --out run",
        "python -m tests.golden.reference_run  # both, and this file of the losses in run/log.jsonl",
    ]
    with tempfile.TemporaryDirectory() as folder:
        found = losses(Path(folder), STEPS)
    log = {"commands": commands, **made_with(), "loss": [round(loss, 6) for loss in found]}
    LOG.write_text(json.dumps(log, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()

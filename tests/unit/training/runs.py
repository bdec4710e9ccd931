"""Small real runs for tests of training: rooms prepared once, the tiny model, a few steps."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from vgcli_core.data.base import FrameChoice, OptionValue, Request
from vgcli_core.data.prepare import Settings as PrepareSettings
from vgcli_core.data.prepare import prepare
from vgcli_core.data.sources import DATASETS
from vgcli_core.training.progress import Outcome, Progress, Settings, Watch
from vgcli_core.training.recipe import Recipe
from vgcli_core.training.run import train

STEPS = 6


def prepare_rooms(data: Path, *, choice: FrameChoice = "cyclic", **changes: OptionValue) -> Path:
    """Write two rooms into `data`/rooms; return `data`."""
    rooms = DATASETS["rooms"]
    options = {option.name: option.default for option in rooms.options} | changes
    request = Request(Path(), ("train", "val"), choice=choice, scenes=2, num_frames=4, options=options)
    prepare(rooms, request, PrepareSettings(data / "rooms"))
    return data


def recipe(**sections: dict[str, Any]) -> Recipe:
    """A run of six steps of four samples on rooms; sections are merged into it key by key."""
    plain: dict[str, Any] = {
        "start": {"weights": "tiny", "geometry_weights": None, "frame_width": 84},
        "data": {"sets": {"rooms": {"dataset": "rooms"}}, "workers": 0, "max_length": 2000},
        "batch": {"size": 4, "micro": 2},
        "optim": {"lr": 2e-3},
        "run": {"max_steps": STEPS, "precision": "fp32", "save_every": 2, "checkpoint_gradients": False},
    }
    for section, values in sections.items():
        plain[section] = {**plain.get(section, {}), **values} if isinstance(values, dict) else values
    return Recipe.model_validate(plain)


def run(
    what: Recipe, data: Path, out: Path, *, after: Callable[[Progress], None] = lambda now: None, **settings: Any
) -> tuple[Outcome, list[str]]:
    """Train in this process; return the outcome and what was said. `after` is called after every step."""
    said: list[str] = []
    watch = Watch(step=after, say=said.append)
    return train(what, Settings(data, out, device="cpu", **settings), watch=watch), said


def log(out: Path) -> list[dict[str, Any]]:
    """The lines of log.jsonl."""
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def losses(out: Path) -> list[float]:
    """The loss of each step."""
    return [line["loss"] for line in log(out) if "loss" in line]


def weights(out: Path, name: str = "model") -> dict[str, Tensor]:
    """The tensors of a model that a run wrote."""
    return load_file(out / name / "model.safetensors")

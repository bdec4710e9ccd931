"""Where a checkpoint's weights come from: the weights each part began with, and the training runs since.

It is read from records: that of an earlier export beside the weights, or that of the training run whose folder the
checkpoint lies in, and of the runs before it as long as their models are still there and the same. What no record says
is not known, and is never guessed from sizes or the names of folders.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from vgcli_core.errors import CheckpointError, first_line
from vgcli_core.export.target import read_record
from vgcli_core.model.machine import source_of, weights_in

PartName = Literal["backbone", "geometry encoder"]
_PARTS: tuple[PartName, ...] = get_args(PartName)

_RUN, _RUN_SCHEMA = "run.json", "vgllm.run/1"
_MODELS = ("model", "best", "adapter")  # folders of a training run
_ABSOLUTE = re.compile(r"[/~\\]|[A-Za-z]:[/\\]")
_DEEPEST = 16  # runs, one from the model of the other


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Part(_Fact):
    """What the weights of one part began as.

    Attributes:
        part: which.
        name: hub name, or that of a folder; "" where nobody knows.
        identified: the name is a hub name; a folder's name says nothing of what is in it.
        drawn: they were random, drawn by vgllm.
        says: who says so.
    """

    part: PartName
    name: str = ""
    identified: bool = False
    drawn: bool = False
    says: str = ""


class DataUsed(_Fact):
    """A set that a run was trained on: `samples` are in its split, `trained_on` of them were used."""

    key: str
    dataset: str
    split: str
    share: float
    samples: int
    trained_on: int | None = None


class Run(_Fact):
    """A training run, from its record: its complete recipe, its last start, and how far it had come.

    Folders of the machine that it ran on are left out of it: only their last names are there.
    """

    name: str
    recipe: dict[str, Any]
    data: tuple[DataUsed, ...] = ()
    start: dict[str, Any] = {}
    state: str = ""
    step: int | None = None


class Provenance(_Fact):
    """Where weights come from: each part, the runs since, oldest first, and a published checkpoint among them."""

    parts: tuple[Part, ...]
    runs: tuple[Run, ...] = ()
    published: str = ""

    def part(self, name: PartName) -> Part:
        """Return a part; one of which nothing is known where there is none of this name."""
        return next((one for one in self.parts if one.part == name), Part(part=name))


_BACKBONE_3B, _BACKBONE_7B, _VGGT = "Qwen/Qwen2.5-VL-3B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct", "facebook/VGGT-1B"
# What published checkpoints were made of, by the last part of their hub name.
_PUBLISHED = {
    "vgllm_for_3d_scene_understanding_4b": _BACKBONE_3B,
    "vgllm_for_spatial_reasoning_4b": _BACKBONE_3B,
    "vgllm-3d-vggt-4b": _BACKBONE_3B,
    "vgllm-3d-vggt-8b": _BACKBONE_7B,
    "vgllm-qa-vggt-4b": _BACKBONE_3B,
    "vgllm-qa-vggt-8b": _BACKBONE_7B,
}


def provenance(
    checkpoint: Path, *, name: str = "", stated: Mapping[PartName, str] | None = None, adapter: Path | None = None
) -> Provenance:
    """Work out where the weights of a checkpoint come from.

    Args:
        checkpoint: its folder.
        name: the hub name it was fetched by; empty for a folder.
        stated: hub names of parts, by whoever exports; they outrank the records.
        adapter: a folder of adapters that are merged: its run counts too.
    """
    found = _trace(checkpoint, name, _DEEPEST)
    said = stated or {}
    given = (Part(part=part, name=said[part], identified=True, says="whoever exported it") for part in said)
    run = None if adapter is None else _run(adapter)
    return Provenance(
        parts=(*given, *(one for one in found.parts if one.part not in said)),
        runs=_in_order(found.runs, () if run is None else (run[0],)),
        published=found.published,
    )


def _trace(checkpoint: Path, name: str, depth: int) -> Provenance:
    record, found = read_record(checkpoint), _run(checkpoint)
    if record is not None:
        try:
            return Provenance.model_validate(record.get("provenance"))
        except ValidationError:
            return Provenance(parts=())
    if found is None:
        return _named(name, "the hub name") if name else Provenance(parts=())
    run, weights = found
    base = _of_source(weights.get("weights"), depth)
    if "geometry_weights" not in weights:
        return base.model_copy(update={"runs": _in_order(base.runs, (run,))})
    encoder = _of_source(weights["geometry_weights"], depth)
    return Provenance(
        parts=(base.part("backbone"), encoder.part("geometry encoder")),
        runs=_in_order(encoder.runs, base.runs, (run,)),
        published=base.published,
    )


def _of_source(source: object, depth: int) -> Provenance:
    """Return where weights come from that a run started with, as its record names them."""
    says = "the record of the training run"
    if not isinstance(source, dict):
        return Provenance(parts=())
    name, folder = str(source.get("name") or ""), source.get("folder")
    if not isinstance(folder, str):
        return Provenance(parts=tuple(Part(part=part, name=name, drawn=True, says=says) for part in _PARTS))
    if source.get("revision"):  # of the hub's cache: the name is the repository's
        return _named(name, says)
    path = Path(folder)
    found = Provenance(parts=())
    if depth and path.is_dir() and weights_in(source_of("", path)) == weights_in(source):
        found = _trace(path, "", depth - 1)
    unknown = (Part(part=part, name=path.name, says=says) for part in _PARTS)
    return found if found.parts else Provenance(parts=tuple(unknown), runs=found.runs)


def _named(name: str, says: str) -> Provenance:
    """Return what a hub name tells of weights: what published ones were made of is known."""
    backbone = _PUBLISHED.get(name.rpartition("/")[2].lower())
    if backbone is None:
        return Provenance(parts=tuple(Part(part=part, name=name, identified=True, says=says) for part in _PARTS))
    names: dict[PartName, str] = {"backbone": backbone, "geometry encoder": _VGGT}
    says = f"what is published of {name}"
    parts = tuple(Part(part=part, name=one, identified=True, says=says) for part, one in names.items())
    return Provenance(parts=parts, published=name)


def _run(model: Path) -> tuple[Run, dict[str, Any]] | None:
    """Return the training run whose folder a model lies in, and what it started from; None where it lies in none."""
    folder = model.resolve()
    if folder.name not in _MODELS:
        return None
    record, status = (_read(folder.parent / name) for name in (_RUN, "status.json"))
    if record.get("schema") != _RUN_SCHEMA:
        return None
    try:
        data = tuple(
            DataUsed(**{**facts, "key": key, "trained_on": facts.get("counts", {}).get("trained on")})
            for key, facts in record.get("data", {}).items()
        )
        run = Run(
            name=record["name"],
            recipe=_shown(record["recipe"]),
            data=data,
            start={key: value for key, value in record["starts"][-1].items() if key != "command"},
            state=str(status.get("state", "")),
            step=status.get("step"),
        )
        return run, dict(record["weights"])
    except (ValidationError, KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointError(
            f"the record of the training run cannot be read: {first_line(error)}",
            where=str(folder.parent / _RUN),
            fix="put the file back, or copy the model out of the run's folder: then nothing is said of its training",
        ) from error


def _shown(value: Any) -> Any:
    """Return a value of a recipe without the folders of a machine: `/models/Qwen` becomes `Qwen`."""
    if isinstance(value, dict):
        return {key: _shown(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shown(one) for one in value]
    if not isinstance(value, str):
        return value
    return " ".join(re.split(r"[/\\]", word)[-1] if _ABSOLUTE.match(word) else word for word in value.split(" "))


def _read(file: Path) -> dict[str, Any]:
    """Return a JSON object, empty where there is none."""
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return plain if isinstance(plain, dict) else {}


def _in_order(*groups: Sequence[Run]) -> tuple[Run, ...]:
    """Return runs, each once."""
    return tuple({run.name: run for group in groups for run in group}.values())

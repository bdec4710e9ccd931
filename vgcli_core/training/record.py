"""What a run writes down about itself: enough to repeat it, and to say why two runs differ.

`run.json` holds the recipe and the data, which never change, and a list of starts: machine, versions and command each
time the run was started or went on.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from vgcli_core.atomic import write_text
from vgcli_core.data.mixture import Part
from vgcli_core.data.workplace import MANIFEST
from vgcli_core.errors import DataError, UsageError
from vgcli_core.model.machine import code_version, device_name, versions
from vgcli_core.records import flat
from vgcli_core.training.progress import Settings
from vgcli_core.training.recipe import Recipe
from vgcli_core.training.recipe_files import fingerprint

SCHEMA = "vgllm.run/1"
RECORD = "run.json"

# What may be changed when a run goes on: it says how often, how large and how fast, not what is computed. A set may
# have moved, since its checksums are compared. How a step is cut up changes its last digits alone.
_FREE = (
    *("description", "run.save_every", "run.keep", "run.checkpoint_gradients", "run.zero", "batch.micro"),
    *("data.workers", "data.max_bad", "validation.every"),
)
_FREE_OF_SETS = ("folder", "prepare")


def data_record(parts: Sequence[Part], data: Path) -> dict[str, dict[str, Any]]:
    """Return what the mixture is made of, by key: folder, split, samples and the checksums of its manifest.

    Args:
        parts: of the mixture.
        data: the folder of the prepared sets; folders below it are named relative to it.
    """
    return {part.key: _part_record(part, data) for part in parts}


def start_record(
    recipe: Recipe, settings: Settings, *, step: int, world: int, device: torch.device, attention: str
) -> dict[str, Any]:
    """Return the facts of this start: when, from which step, on what, with which code.

    Args:
        recipe: for the statement of precisions.
        settings: for the command.
        step: steps that are done already.
        world: processes.
        device: of this process; all are of its kind.
        attention: the backend that is really used.
    """
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "step": step,
        "command": settings.command,
        "world": world,
        "device": device_name(device),
        "precision": _precision(recipe, settings),
        "attention": attention,
        "versions": versions(),
        "code": code_version(),
    }


def run_record(
    recipe: Recipe,
    settings: Settings,
    *,
    source: Mapping[str, Any],
    data: Mapping[str, Mapping[str, Any]],
    counts: Mapping[str, Mapping[str, int]],
    start: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the record of a new run.

    Args:
        recipe: complete.
        settings: for the name of the run folder.
        source: where the weights come from.
        data: see `data_record`.
        counts: samples by key of the set and by reason.
        start: see `start_record`.
    """
    return {
        "schema": SCHEMA,
        # Trackers know the run by it, so it must be another one when a folder is used again.
        "name": f"{settings.out.resolve().name}-{secrets.token_hex(4)}",
        "recipe": recipe.model_dump(mode="json"),
        "recipe_sha256": fingerprint(recipe),
        "seed": recipe.seed,
        "weights": dict(source),
        "data": {key: {**facts, "counts": dict(counts.get(key, {}))} for key, facts in data.items()},
        "starts": [dict(start)],
    }


def continued(record: Mapping[str, Any], start: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the record with one more start, and remarks on what changed since the last one and can change numbers."""
    before = record["starts"][-1]
    remarks = []
    old, new = (flat({"code": {}, **one}) for one in (before, start))
    for key in ("world", "device", "precision", "attention", *(key for key in new if key.startswith("versions."))):
        if old.get(key) != new[key]:
            name = {"world": "processes"}.get(key, key.removeprefix("versions."))
            remarks.append(f"{name}: {new[key]}, and {old.get(key, 'none')} before; numbers may differ from here on")
    return {**record, "starts": [*record["starts"], dict(start)]}, remarks


def check_same_run(
    record: Mapping[str, Any], recipe: Recipe, data: Mapping[str, Mapping[str, Any]], folder: Path
) -> dict[str, Any]:
    """Make sure that a run folder belongs to this recipe and data.

    How often it is saved or validated, what is kept, how many processes read frames, how many bad samples are
    tolerated, whether activations are computed twice, and where sets lie may change.

    Args:
        record: of the folder.
        recipe: that is asked for now.
        data: see `data_record`.
        folder: for the message.

    Returns:
        The values of the recipe that changed and may, by key.

    Raises:
        UsageError: another recipe, or other data; names what differs.
    """
    old, new = flat(record["recipe"]), flat(recipe.model_dump(mode="json"))
    changed = {key: new.get(key) for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)}
    fixed = [key for key in changed if not _free(key)]
    if fixed:
        shown = "; ".join(f"{key} is {_said(new.get(key))}, and was {_said(old.get(key))}" for key in fixed[:5])
        rest = f"; and {len(fixed) - 5} more" if len(fixed) > 5 else ""
        raise UsageError(
            f"the run in this folder was made by another recipe: {shown}{rest}",
            where=str(folder),
            fix="choose another folder with --out, undo the change, or discard that run with --restart",
        )
    for key, facts in data.items():
        was = record["data"][key]
        for name in ("split_sha256", "frames_sha256", "samples"):
            if facts[name] != was[name]:
                raise UsageError(
                    f"the set {key} was prepared anew since this run began: {name} differs",
                    where=str(folder),
                    fix="put the old set back, choose another folder with --out, or discard that run with --restart",
                )
    return changed


def check_same_weights(record: Mapping[str, Any], source: Mapping[str, Any]) -> None:
    """Make sure that the weights which a run goes on from, frozen parts above all, are those that it began with.

    Args:
        record: of the folder.
        source: where the weights come from now, with the checksums of their files.

    Raises:
        UsageError: a file is another one.
    """
    for key, now in source.items():
        was = record["weights"].get(key, {})
        old, new = was.get("files", {}), now.get("files", {})
        other = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
        if other:
            raise UsageError(
                f"{other[0]} of {now['name']} is another file than when this run began",
                where=f"start.{key}",
                fix="put the old file back (run.json has its checksum), or begin again with --restart",
            )


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return the record of a run folder, None where there is none. Raises DataError where it cannot be read."""
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        record = error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise DataError(
            "this is no record of a run that this version can continue",
            where=str(path),
            fix="choose another folder with --out, or discard what is there with --restart",
        )
    return record


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write the record into its run folder, atomically. Raises OutputError."""
    write_text(folder / RECORD, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _part_record(part: Part, data: Path) -> dict[str, Any]:
    root, manifest = part.prepared.root, part.prepared.manifest
    split = manifest["splits"][part.split]
    return {
        "folder": root.relative_to(data).as_posix() if root.is_relative_to(data) else root.name,
        "dataset": manifest["dataset"],
        "split": part.split,
        "share": part.share,
        "samples": split["samples"],
        "manifest_sha256": hashlib.sha256((root / MANIFEST).read_bytes()).hexdigest(),
        "split_sha256": split["sha256"],
        "frames_sha256": manifest["frames"]["sha256"],
    }


def _free(key: str) -> bool:
    return key in _FREE or (key.startswith("data.sets.") and key.rpartition(".")[2] in _FREE_OF_SETS)


def _said(value: object) -> str:
    return f"{json.dumps(value):.60}"


def _precision(recipe: Recipe, settings: Settings) -> str:
    if recipe.run.precision == "fp32":
        return "float32 throughout"
    if recipe.run.zero or settings.deepspeed is not None:
        return "weights and gradients bfloat16; master weights and optimiser float32, kept by DeepSpeed"
    return "products bfloat16 (autocast); trained weights, gradients and optimiser float32; frozen parts bfloat16"

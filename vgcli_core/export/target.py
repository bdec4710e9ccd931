"""The folder of an export: when it may be written, and the record by which it is known again."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vgcli_core.atomic import atomic_folder, replaced_folder
from vgcli_core.data.checksums import checksum
from vgcli_core.errors import OutputError

RECORD = "export.json"
SCHEMA = "vgllm.export/1"
_READ_WHOLE = 64 * 1024 * 1024  # larger files are told apart by their size and pieces all over them


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return the record of an earlier export, None where the folder holds none that can be read."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = isinstance(record, dict) and record.get("schema") == SCHEMA and isinstance(record.get("files"), dict)
    return record if known else None


def write_record(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the record: facts, and the sizes and checksums of all files that are there. Raises OSError."""
    files = {path.name: checksum(path, large=_READ_WHOLE, spread=True)._asdict() for path in sorted(folder.iterdir())}
    text = json.dumps({"schema": SCHEMA, **facts, "files": files}, indent=1, ensure_ascii=False) + "\n"
    (folder / RECORD).write_text(text, encoding="utf-8")


def check_target(out: Path, source: Path, *, overwrite: bool) -> None:
    """Refuse, before anything is read, a folder that must not be written.

    Args:
        out: where the export goes.
        source: the checkpoint.
        overwrite: an earlier export may go.

    Raises:
        OutputError: `out` is a file, holds something else than an earlier export, or the checkpoint itself.
    """
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out.name} is a file, not a folder", where=f"--out {out}", fix="name a folder")
    whole, checkpoint = out.resolve(), source.resolve()
    if whole == checkpoint or whole in checkpoint.parents:
        raise OutputError(
            "the export would take the place of its own checkpoint", where=f"--out {out}", fix="choose another folder"
        )
    there = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if not there:
        return
    record = read_record(out)
    if record is None:
        raise OutputError(
            "the folder is not empty, and no earlier export", where=f"--out {out}", fix="choose another folder"
        )
    strangers = there - {*record["files"], RECORD}
    if strangers:
        raise OutputError(
            f"the folder of an earlier export also holds {min(strangers)!r}",
            where=f"--out {out}",
            fix="move that file away, or choose another folder",
        )
    if not overwrite:
        raise OutputError(
            "the folder holds an earlier export", where=f"--out {out}", fix="--overwrite, or choose another folder"
        )


def check_space(out: Path, need: int, *, folder: Path) -> None:
    """Refuse, before gigabytes are written, what does not fit.

    Args:
        out: where the export goes.
        need: bytes.
        folder: on the same disk; exists.

    Raises:
        OutputError: fewer bytes are free.
    """
    free = shutil.disk_usage(folder).free
    if need > free:
        raise OutputError(
            f"the export takes {need / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free",
            where=f"--out {out}",
            fix="free some space, choose another disk, or --dtype bfloat16",
        )


@contextmanager
def new_folder(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary folder that becomes `out` when the block ends. Raises OutputError."""
    with replaced_folder(out) if overwrite else atomic_folder(out) as temporary:
        yield temporary

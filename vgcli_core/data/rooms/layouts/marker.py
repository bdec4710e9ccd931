"""The small file at the root of raw files made of rooms: what was asked for, and that nobody downloaded them."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vgcli_core.data.base import Request
from vgcli_core.data.rooms.layouts.files import write_json
from vgcli_core.errors import OutputError
from vgcli_core.version import __version__

MARKER = "rooms_layouts.json"


def write_marker(request: Request, layouts: Sequence[str], folder: Path) -> Path:
    """Write what a folder of raw files was made from, and what lies in it; return the file."""
    asked: dict[str, Any] = {
        "splits": list(request.splits),
        "scenes": sorted(request.scenes) if isinstance(request.scenes, frozenset) else request.scenes,
        "seed": request.seed,
        "options": dict(sorted(request.options.items())),
        "layouts": list(layouts),
    }
    content = {"version": __version__, "request": asked, "contents": sorted(path.name for path in folder.iterdir())}
    return write_json(folder / MARKER, content)


def remove_made(folder: Path) -> None:
    """Remove a folder that holds raw files of rooms and nothing else; one that is missing or empty stays as it is.

    Raises:
        OutputError: something else is there, for example raw files that somebody downloaded.
    """
    try:
        present = {path.name for path in folder.iterdir()} if folder.exists() else set()
        if not present:
            return
        strange = sorted(present - _contents(folder) - {MARKER})
        if strange:
            raise OutputError(
                f"{folder.name} holds what no rooms were written to: {strange[0]}",
                where=str(folder),
                fix="choose another folder, or move that away; only files that rooms were written to are discarded",
            )
        shutil.rmtree(folder)
    except OSError as error:
        raise OutputError(
            f"cannot discard {folder.name}: {error.strerror or error}", where=str(folder), fix="remove it yourself"
        ) from error


def _contents(folder: Path) -> set[str]:
    """Return the names that the folder's marker lists; none where it has no whole marker."""
    try:
        content = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return set()
    listed = content.get("contents") if isinstance(content, dict) else None
    return {name for name in listed if isinstance(name, str)} if isinstance(listed, list) else set()

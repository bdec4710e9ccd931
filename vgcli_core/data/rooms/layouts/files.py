"""Write the text files of the layouts, whole or not at all, with the same bytes on every system."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vgcli_core.atomic import write_text
from vgcli_core.geometry.boxes import Floats


def write_json(path: Path, value: Any) -> Path:
    """Write JSON; return the path."""
    write_text(path, json.dumps(value))
    return path


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    """Write lines; return the path."""
    write_text(path, "".join(f"{line}\n" for line in lines))
    return path


def write_matrix(path: Path, matrix: Floats) -> Path:
    """Write a matrix as ScanNet's tools do: a line for each row, six decimals; return the path."""
    return write_lines(path, (" ".join(f"{value:f}" for value in row) for row in matrix.tolist()))

"""One JSON file, read whole and checked for what it must be at its top."""

import json
from pathlib import Path
from typing import Any

from vgcli_core.data.raw.reading import reading
from vgcli_core.errors import DataError


def read_json_object(path: Path, what: str) -> dict[str, Any]:
    """Return the JSON object in a file; `what` says in words what it should be, for messages.

    Raises:
        DataError: missing, no JSON, or something else than an object.
    """
    try:
        with reading(path, what):
            content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path.name} is no JSON, or is cut off: {error}", where=str(path), fix="copy or download it again"
        ) from error
    if not isinstance(content, dict):
        raise DataError(
            f"{path.name} holds a {type(content).__name__} instead of {what}",
            where=str(path),
            fix="use the file as its owner distributes it",
        )
    return content

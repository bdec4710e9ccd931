"""Answers as a table: RFC 4180, UTF-8, one row for each box, or for each answer without one.

Cells of text that a spreadsheet would run as a formula start with an apostrophe. Numbers are never quoted.
"""

import csv
import io
import re

from vgcli_core.export.answers import Answered, Answers, written_boxes
from vgcli_core.geometry.boxes import EulerConvention

COLUMNS = (
    *("id", "benchmark", "task", "question", "status", "reason", "answer", "dropped_boxes"),
    *("box", "label", "frame", "time", "x", "y", "z", "dx", "dy", "dz", "a", "b", "c"),
    *("euler_convention", "coordinate_frame", "text"),
)
# Excel, LibreOffice and Google Sheets run cells that start so; a tab or a line end may hide one of the others.
_RUNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?")


def as_csv(answers: Answers, angles: EulerConvention) -> str:
    """Return the table, with a header: metres, radians in the convention `angles`, seconds."""
    target = io.StringIO(newline="")
    rows = csv.writer(target, lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)
    rows.writerow(COLUMNS)
    for row in answers.rows:
        rows.writerows(_rows(row, angles))
    return target.getvalue()


def _rows(row: Answered, angles: EulerConvention) -> list[list[str | int | float | None]]:
    head: list[str | int | float | None] = [
        *map(_safe, (row.id, row.benchmark, row.task, row.question, row.status, row.reason, row.value)),
        len(row.dropped),
    ]
    if not row.boxes:
        return [[*head, *[None] * 15, _safe(row.text)]]
    return [
        [
            *head,
            place,
            _safe(one.box.label),
            one.frame,
            one.time,
            *numbers,
            angles,
            f"camera {one.frame}",
            _safe(row.text),
        ]
        for place, (one, numbers) in enumerate(zip(row.boxes, written_boxes(row, angles), strict=True))
    ]


def _safe(text: str) -> str:
    # Half of a surrogate pair, as a cut-off answer may end, has no UTF-8; NUL ends a cell for some readers.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\0")
    return "'" + text if text.lstrip(" ").startswith(_RUNS) and not _NUMBER.fullmatch(text) else text

"""What an export wrote, as text for people. Pure: returns rich renderables and prints nothing."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vgcli.preparing import size
from vgcli.readable import one_line

if TYPE_CHECKING:
    from vgcli_core.export.checkpoint import Exported
    from vgcli_core.export.predictions import Exported as ExportedAnswers


def exported(found: "Exported") -> Iterator[RenderableType]:
    """Yield what the new folder holds."""
    kinds = ", ".join(f"{kind} ({count:,} tensors)" for kind, count in found.dtypes.items())
    files = f"{found.files} file{'s' if found.files > 1 else ''}"
    yield _facts(
        ("folder", str(found.folder)),
        ("format", found.format),
        ("weights", f"{found.parameters:,} parameters, {size(found.size)}, in {files}"),
        ("numbers", kinds),
    )


def exported_answers(found: "ExportedAnswers") -> Iterator[RenderableType]:
    """Yield what the new file holds."""
    counts = found.counts
    yield _facts(
        ("file", str(found.file)),
        ("format", found.format),
        ("answers", f"{counts['answers']:,}, of which {counts['ok']:,} could be read"),
        ("boxes", f"{counts['boxes']:,}"),
    )


def _facts(*rows: tuple[str, str]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="cyan")
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, Text(one_line(value)))
    return grid

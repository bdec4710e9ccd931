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


def exported(found: "Exported") -> Iterator[RenderableType]:
    """Yield what the new folder holds."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="cyan")
    grid.add_column(overflow="fold")
    kinds = ", ".join(f"{kind} ({count:,} tensors)" for kind, count in found.dtypes.items())
    files = f"{found.files} file{'s' if found.files > 1 else ''}"
    for name, value in (
        ("folder", str(found.folder)),
        ("format", found.format),
        ("weights", f"{found.parameters:,} parameters, {size(found.size)}, in {files}"),
        ("numbers", kinds),
    ):
        grid.add_row(name, Text(one_line(value)))
    yield grid

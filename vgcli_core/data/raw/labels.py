"""ScanNet's table of labels: its own names ("office chair") -> the 40 classes of NYU.

Source: formats of ScanNet, section 5.
"""

from pathlib import Path

from vgcli_core.data.raw.reading import reading
from vgcli_core.errors import DataError

OTHER = 39  # the class of names that are not in the table


def read_nyu40(path: Path) -> dict[str, int]:
    """Return raw category -> NYU40 id from `scannetv2-labels.combined.tsv`; rows without an id are left out.

    A name that is not in the result belongs to the class OTHER.

    Raises:
        DataError: missing, without the two columns, or an id that is no number.
    """
    with reading(path):
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    columns = [cell.strip() for cell in lines[0].split("\t")] if lines else []
    if "raw_category" not in columns or "nyu40id" not in columns:
        raise DataError(
            f"{path.name} has no columns raw_category and nyu40id",
            where=str(path),
            fix="use scannetv2-labels.combined.tsv as ScanNet distributes it",
        )
    name_at, id_at = columns.index("raw_category"), columns.index("nyu40id")
    table = {}
    for number, line in enumerate(lines[1:], 2):
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) <= max(name_at, id_at) or not cells[name_at] or not cells[id_at]:
            continue
        if not cells[id_at].isdecimal():
            raise DataError(
                f"line {number} has the NYU40 id {cells[id_at][:20]!r}", where=str(path), fix="download the table again"
            )
        table[cells[name_at]] = int(cells[id_at])
    return table

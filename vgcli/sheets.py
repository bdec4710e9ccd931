"""Tables that lose nothing: numbers and headings stand whole, names wrap, and a table too wide becomes several.

Rich shortens what does not fit and drops whole columns; a score of which digits are missing looks like another score.
"""

from collections.abc import Collection, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.table import Table
from rich.text import Text

_GAP = 2  # between columns
_EDGES = 2  # one at either end of a row
_LONGEST_WORD = 20  # longer ones may be broken


class Sheet:
    """A table with columns of names and columns of numbers.

    Names wrap at blanks, and long ones anywhere. Numbers never wrap; their headings do, at blanks. Where the numbers do
    not fit beside each other, further tables below repeat the names.
    """

    def __init__(self, *headings: str, names: Collection[str] = (), kept: Collection[str] = ()) -> None:
        """Begin a table.

        Args:
            headings: of all columns; the first one holds names.
            names: headings of more columns that hold names.
            kept: headings of numbers that every table repeats.
        """
        self._headings = headings
        self._names = [place for place, one in enumerate(headings) if place == 0 or one in names]
        self._kept = [place for place, one in enumerate(headings) if one in kept]
        self._rows: list[list[Text]] = []

    def add_row(self, *cells: str | Text) -> None:
        """Add a row with a cell for each heading."""
        self._rows.append([Text(cell) if isinstance(cell, str) else cell for cell in cells])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield one table, or as many as the numbers need."""
        for places in self._parts(options.max_width):
            yield self._table(places, options.max_width)

    def _parts(self, room: int) -> list[list[int]]:
        """Return the columns of each table."""
        fixed = {*self._names, *self._kept}
        numbers = [place for place in range(len(self._headings)) if place not in fixed]
        parts: list[list[int]] = [[]]
        for place in numbers:
            if parts[-1] and self._least([*fixed, *parts[-1], place]) > room:
                parts.append([])
            parts[-1].append(place)
        return [sorted([*fixed, *part]) for part in parts]

    def _table(self, places: Sequence[int], room: int) -> Table:
        widths = {place: max(self._cells(place), cell_len(self._headings[place])) for place in places}
        names = {place: self._words(place) for place in places if place in self._names}
        numbers = {place: self._number(place) for place in places if place not in names}
        # First headings wrap, then names, and at last words are broken.
        for least in (numbers, names, dict.fromkeys(names, 1)):
            while _total(list(widths.values())) > room:
                wide = [place for place in least if widths[place] > least[place]]
                if not wide:
                    break
                widths[max(wide, key=widths.__getitem__)] -= 1
        table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
        for place in places:
            justify: JustifyMethod = "left" if place in names else "right"
            table.add_column(Text(self._headings[place]), justify=justify, overflow="fold", width=widths[place])
        for row in self._rows:
            table.add_row(*(row[place] for place in places))
        return table

    def _cells(self, place: int) -> int:
        return max((row[place].cell_len for row in self._rows), default=0)

    def _number(self, place: int) -> int:
        """Return the width of a column of numbers in which only the heading wraps."""
        return max(self._cells(place), _longest_word(self._headings[place]))

    def _words(self, place: int) -> int:
        """Return the width of a column of names in which only very long words are broken."""
        texts = (self._headings[place], *(row[place].plain for row in self._rows))
        return min(max(map(_longest_word, texts)), _LONGEST_WORD)

    def _least(self, places: Sequence[int]) -> int:
        return _total([self._words(place) if place in self._names else self._number(place) for place in places])


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1) + _EDGES

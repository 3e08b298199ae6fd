"""Tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from haconiwa_core.cli import output
from haconiwa_core.log import escape
from haconiwa_display.terminal import can_draw, console

if TYPE_CHECKING:
    from rich.table import Table

Style = Literal["", "good", "bad", "weak"]
"""What a row is to the reader; "weak" is what matters less."""

_STYLES = {"": "", "good": "green", "bad": "bold red", "weak": "dim"}
_GAP = (0, 2, 0, 0)


class Row(NamedTuple):
    """A row of a table.

    Args:
        cells: its texts, as many as the table has columns.
        style: what it is to the reader; nothing but a terminal shows it.
    """

    cells: tuple[str, ...]
    style: Style = ""


def print_table(header: Sequence[str], rows: Sequence[Row]) -> None:
    """Print a table to standard output.

    On a terminal rows have their styles, and what does not fit is wrapped in its column. Elsewhere it is what
    `haconiwa_core.cli.output.print_table` prints.

    Args:
        header: a word for each column.
        rows: of the same number of cells.
    """
    if can_draw(sys.stdout):
        console(sys.stdout).print(drawn(header, rows))
    else:
        output.print_table(header, [row.cells for row in rows])


def drawn(header: Sequence[str], rows: Sequence[Row], *, one_line: bool = False) -> Table:
    """Return a table for `terminal.console` to draw; with `one_line`, what does not fit is cut instead of wrapped."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=_GAP, pad_edge=False, header_style="bold")
    for word in header:
        table.add_column(Text(word), overflow="fold")
    for row in rows:
        texts = (escape(cell).replace("\n", r"\n") for cell in row.cells)
        cells = [Text(text, no_wrap=one_line, overflow="ellipsis" if one_line else None) for text in texts]
        table.add_row(*cells, style=_STYLES[row.style])
    return table

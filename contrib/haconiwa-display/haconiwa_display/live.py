"""A table that changes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from haconiwa_display.table import Row, drawn, print_table
from haconiwa_display.terminal import can_draw, console

_BESIDE_ROWS = 3
"""Lines of a terminal that hold no row: the header, how many more there are, and the cursor's."""


def live(header: Sequence[str], tables: Iterable[Sequence[Row]]) -> None:
    """Show one table after the other in the same place of the terminal; elsewhere print one below the other.

    Of a table that is longer than the terminal, the first rows are shown, and how many more there are; a row is one
    line, and what does not fit is cut.

    Args:
        header: a word for each column.
        tables: the rows of each; taken when the one before is shown, so that who makes them sets the pace.
    """
    if not can_draw(sys.stdout):
        for rows in tables:
            print_table(header, rows)
            sys.stdout.flush()
        return
    from rich.live import Live

    screen = console(sys.stdout)
    # Nothing else writes while a table is shown.
    with Live(console=screen, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as shown:
        for rows in tables:
            fit = max(screen.height - _BESIDE_ROWS, 1)
            more = len(rows) - fit
            kept = rows if more <= 0 else [*rows[:fit], _more(header, more)]
            shown.update(drawn(header, kept, one_line=True), refresh=True)


def _more(header: Sequence[str], number: int) -> Row:
    return Row((f"... {number} more", *[""] * (len(header) - 1)), "weak")

"""How far a long work has come."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from haconiwa_core.log import escape
from haconiwa_display.terminal import can_draw, console

T = TypeVar("T")


def progress(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """Yield items, and show on standard error how many are done, if that is a terminal; the bar goes away at the end.

    Args:
        items: each stands for a part of the work, which is done when the next is taken.
        what: the work, in a few words.
        total: how many items there are.
    """
    if not can_draw(sys.stderr):
        yield from items
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
    # Results may go to standard output meanwhile, which is another stream.
    shown = Progress(
        *columns, console=console(sys.stderr), transient=True, redirect_stdout=False, redirect_stderr=False
    )
    with shown as bar:
        yield from bar.track(items, total=total, description=escape(what))

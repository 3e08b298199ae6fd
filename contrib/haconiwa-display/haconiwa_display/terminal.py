"""Whether somebody looks at a stream, and what draws on it then."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

_WITHOUT_CURSOR = ("", "dumb")


def can_draw(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that moves its cursor: $TERM is set, and not "dumb"."""
    return stream.isatty() and os.environ.get("TERM", "") not in _WITHOUT_CURSOR


def console(stream: TextIO) -> Console:
    """Return what draws on a terminal, without colours where $NO_COLOR is set, and obeys no markup."""
    from rich.console import Console

    no_color = bool(os.environ.get("NO_COLOR"))
    return Console(file=stream, force_terminal=True, no_color=no_color, markup=False, highlight=False, emoji=False)

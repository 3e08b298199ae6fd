"""The container's own hooks: it ends itself when it is idle or old, and asks its front first, if there is one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haconiwa_fastcontainer import FastContainer

if TYPE_CHECKING:
    from haconiwa_supervision import Context

_ALONE = "haconiwa_fastcontainer.alone"


def idle(c: Context) -> None:
    """Stop the container if nobody has used it for as long as its section says."""
    options = _options_of(c)
    may_end = _ask(c, options, "idle")
    if may_end is None:
        # Its front may be about to be back; nobody reaches the container without it.
        c.store[_ALONE] = c.store.get(_ALONE, 0.0) + options.idle / LOOKS
        may_end = c.store[_ALONE] > options.idle
    elif _ALONE in c.store:
        del c.store[_ALONE]
    if may_end:
        c.stop()


def life(c: Context) -> None:
    """Stop the container when it is old, and what it does has come to its end."""
    _ask(c, _options_of(c), "life")
    c.stop()


def _options_of(c: Context) -> FastContainer:
    given: Mapping[str, Any] = c.definition["features"][FastContainer.section]
    names = ("idle", "drain", "front")
    return FastContainer(**{name: given[name] for name in names if name in given})


def _ask(c: Context, options: FastContainer, why: str) -> bool | None:
    """Return what the front says to the container's end; None where there is none, or it has gone meanwhile."""
    from haconiwa_runtime.client import EndedError, connect

    if options.front is None:
        return None
    for pause in _PAUSES:
        time.sleep(pause)
        if connection := connect(Path(options.front)):
            with connection, suppress(EndedError):
                return bool(connection.ask("may_end", name=c.name, why=why).content["value"])
    return None


_PAUSES = (0.0, 0.2, 1.0)
"""Seconds before a front is asked, again where another one was about to take its place."""

LOOKS = 4
"""How often a container is looked at in the time that makes it idle."""

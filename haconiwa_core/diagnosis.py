"""What a look at the host has found."""

from __future__ import annotations

from typing import Literal, NamedTuple

State = Literal["ok", "degraded", "missing"]


class Diagnosis(NamedTuple):
    """Something that containers can need of the host, tried.

    Args:
        name: what was tried, stable: "user namespace".
        state: "ok"; "degraded", if it is there in part, or for some only; "missing".
        meaning: what was found, and what it means for containers.
        remedy: what makes it ok: a command, or a file and its content; "" where nothing has to be done, or can be.
        essential: without it no container starts at all.
    """

    name: str
    state: State
    meaning: str
    remedy: str = ""
    essential: bool = False

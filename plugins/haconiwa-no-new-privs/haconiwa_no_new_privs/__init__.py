"""No program of the container gives its caller more rights (PR_SET_NO_NEW_PRIVS in prctl(2))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from haconiwa_core.feature import Feature, Rootless
from haconiwa_core.stages import Stage


@dataclass(frozen=True, kw_only=True)
class NoNewPrivs(Feature):
    """Executing a program never adds rights: set-user-ID, set-group-ID and file capabilities have no effect.

    Example: `NoNewPrivs()`.
    """

    section: ClassVar[str] = "no-new-privs"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.CONFINE,)
    rootless: ClassVar[Rootless] = Rootless("yes")

"""Steps below the container's root, which must be there first if another feature makes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from haconiwa_core.facts import NewRoot
from haconiwa_core.operation import Slot
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Plain, Step


def mounting(function: Callable[..., Any], *arguments: Plain, into: Slot | None = None) -> Step:
    """Return a step of the stage MOUNTS that comes after the new root."""
    return Step(Stage.MOUNTS, function, *arguments, into=into, after=(NewRoot,))

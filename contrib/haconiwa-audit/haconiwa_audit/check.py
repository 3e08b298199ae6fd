"""One row of what is looked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from haconiwa_audit.view import View
from haconiwa_core.finding import Finding


class Check(NamedTuple):
    """Something that is looked for in every plan.

    Args:
        finding: what is said of it.
        applies: whether a plan has it.
    """

    finding: Finding
    applies: Callable[[View], bool]

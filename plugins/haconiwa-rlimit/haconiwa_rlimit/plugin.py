"""Rlimit: each given limit becomes one step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from haconiwa_core import linux
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.feature import Feature
from haconiwa_core.linux.constants import RLIM_INFINITY
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_rlimit import Rlimit, Value

NUMBERS = {
    "cpu": 0,
    "fsize": 1,
    "data": 2,
    "stack": 3,
    "core": 4,
    "rss": 5,
    "nproc": 6,
    "nofile": 7,
    "memlock": 8,
    "as_": 9,
    "locks": 10,
    "sigpending": 11,
    "msgqueue": 12,
    "nice": 13,
    "rtprio": 14,
    "rttime": 15,
}
"""RLIMIT_* of <asm-generic/resource.h>, by option."""


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Rlimit


@hookimpl
def haconiwa_steps(feature: Rlimit) -> Iterator[Step]:
    """Set each limit that is given."""
    problems = []
    for item in fields(feature):
        limit = getattr(feature, item.name)
        if limit is None:
            continue
        soft, hard = map(_number, limit if isinstance(limit, tuple) else (limit, limit))
        if soft > hard:
            problems.append(Problem("the soft limit is above the hard limit", key=item.name))
        yield Step(Stage.LIMITS, linux.set_limit, NUMBERS[item.name], soft, hard)
    if problems:
        raise DefinitionError(problems)


def _number(value: Value) -> int:
    return RLIM_INFINITY if isinstance(value, str) else value

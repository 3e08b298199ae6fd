"""Rlimit: each given limit becomes one step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from enum import IntEnum

from haconiwa_core import linux
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.feature import Feature
from haconiwa_core.linux.constants import RLIM_INFINITY
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_rlimit import Rlimit, Value


class Resource(IntEnum):
    """Numbers of <asm-generic/resource.h>."""

    RLIMIT_CPU = 0
    RLIMIT_FSIZE = 1
    RLIMIT_DATA = 2
    RLIMIT_STACK = 3
    RLIMIT_CORE = 4
    RLIMIT_RSS = 5
    RLIMIT_NPROC = 6
    RLIMIT_NOFILE = 7
    RLIMIT_MEMLOCK = 8
    RLIMIT_AS = 9
    RLIMIT_LOCKS = 10
    RLIMIT_SIGPENDING = 11
    RLIMIT_MSGQUEUE = 12
    RLIMIT_NICE = 13
    RLIMIT_RTPRIO = 14
    RLIMIT_RTTIME = 15


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
        yield Step(Stage.LIMITS, linux.set_limit, Resource[f"RLIMIT_{item.name.rstrip('_').upper()}"], soft, hard)
    if problems:
        raise DefinitionError(problems)


def _number(value: Value) -> int:
    return RLIM_INFINITY if isinstance(value, str) else value

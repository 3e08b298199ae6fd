"""Rlimit: each given limit becomes one step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from enum import IntEnum

from haconiwa_core import linux
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.feature import Feature
from haconiwa_core.linux.constants import RLIM_INFINITY
from haconiwa_core.operation import Slot
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_rlimit import Rlimit, Value
from haconiwa_rlimit.steps import limit_processes


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
    for name in _given(feature):
        soft, hard = _limits(feature, name)
        if soft > hard:
            problems.append(Problem("the soft limit is above the hard limit", key=name))
        yield Step(Stage.LIMITS, linux.set_limit, _resource(name), soft, hard)
    if problems:
        raise DefinitionError(problems)


@hookimpl
def haconiwa_update(old: Rlimit, new: Rlimit) -> Iterator[Step]:
    """Change limits that the container was started with, for all of its processes."""
    problems = [
        Problem(
            "cannot be set or taken back while the container runs",
            key=name,
            hint="give it when the container is started; its value can change then",
        )
        for name in sorted(set(_given(old)) ^ set(_given(new)))
    ]
    if problems:
        raise DefinitionError(problems)
    for name in _given(new):
        if _limits(old, name) != _limits(new, name):
            values = (-1 if value == RLIM_INFINITY else value for value in _limits(new, name))
            yield Step(Stage.ADOPT, limit_processes, Slot("directory"), _resource(name), *values)


def _given(feature: Rlimit) -> list[str]:
    return [item.name for item in fields(feature) if getattr(feature, item.name) is not None]


def _resource(name: str) -> Resource:
    return Resource[f"RLIMIT_{name.rstrip('_').upper()}"]


def _limits(feature: Rlimit, name: str) -> tuple[int, int]:
    limit = getattr(feature, name)
    soft, hard = map(_number, limit if isinstance(limit, tuple) else (limit, limit))
    return soft, hard


def _number(value: Value) -> int:
    return RLIM_INFINITY if isinstance(value, str) else value

"""Which limits a section asks for, and what they are where less is good enough."""

from __future__ import annotations

from dataclasses import fields
from enum import IntEnum
from typing import NamedTuple

from haconiwa_core.linux.constants import CAP_SYS_RESOURCE, RLIM_INFINITY
from haconiwa_core.planning.context import Planning
from haconiwa_rlimit import Rlimit, Value

OPTIONS = tuple(item.name for item in fields(Rlimit) if item.name != "require")
"""The options that are limits."""


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


class Limit(NamedTuple):
    """The limits of one resource, in its own unit.

    Args:
        soft: what is enforced.
        hard: what the soft limit can be raised to.
    """

    soft: int
    hard: int

    def __str__(self) -> str:
        texts = ["unlimited" if value == RLIM_INFINITY else str(value) for value in self]
        return texts[0] if self.soft == self.hard else ":".join(texts)

    def within(self, hard: int) -> Limit:
        """Return what is left of them below a hard limit."""
        return Limit(min(self.soft, hard), min(self.hard, hard))


def given(feature: Rlimit) -> dict[str, Limit]:
    """Return the limits that a section has, by option."""
    values = {name: getattr(feature, name) for name in OPTIONS}
    return {name: _limit(value) for name, value in values.items() if value is not None}


def resource_of(name: str) -> Resource:
    """Return what an option limits."""
    return Resource[f"RLIMIT_{name.rstrip('_').upper()}"]


def bounds(planning: Planning) -> dict[Resource, int]:
    """Return the hard limits that the starter cannot raise (CAP_SYS_RESOURCE in capabilities(7))."""
    # The capability counts on the host alone.
    if planning.host.has_capability(CAP_SYS_RESOURCE) and not planning.user_namespace:
        return {}
    known = zip(Resource, planning.host.limits, strict=False)
    return {resource: hard for resource, (_, hard) in known if hard >= 0}


def _limit(limit: Value | tuple[Value, Value]) -> Limit:
    soft, hard = limit if isinstance(limit, tuple) else (limit, limit)
    return Limit(_number(soft), _number(hard))


def _number(value: Value) -> int:
    return RLIM_INFINITY if isinstance(value, str) else value

"""libseccomp, by way of pyseccomp: the numbers of system calls, and rules compiled to BPF. Nothing is loaded here."""

from __future__ import annotations

import ctypes.util
import os
from collections.abc import Iterable, Mapping
from errno import ENOSYS
from functools import cache, lru_cache
from typing import Any, NamedTuple

from haconiwa_core.linux import bpf
from haconiwa_seccomp import Arg
from haconiwa_seccomp.chain import above, chained

_LIBRARIES = {"c": "libc.so.6", "seccomp": "libseccomp.so.2"}


def _import() -> Any:
    """Import pyseccomp, and tell it what its libraries are called: to find out it would run ldconfig and compilers."""
    find = ctypes.util.find_library

    def known_or_found(name: str) -> str | None:
        # Another thread may look for another library meanwhile.
        return _LIBRARIES.get(name) or find(name)

    ctypes.util.find_library = known_or_found
    try:
        import pyseccomp  # type: ignore[import-untyped]  # it has no annotations
    finally:
        ctypes.util.find_library = find
    return pyseccomp


pyseccomp = _import()

NEWER = {
    "set_mempolicy_home_node": 450,
    "cachestat": 451,
    "fchmodat2": 452,
    "map_shadow_stack": 453,
    "futex_wake": 454,
    "futex_wait": 455,
    "futex_requeue": 456,
    "statmount": 457,
    "listmount": 458,
    "lsm_get_self_attr": 459,
    "lsm_set_self_attr": 460,
    "lsm_list_modules": 461,
    "mseal": 462,
    "setxattrat": 463,
    "getxattrat": 464,
    "listxattrat": 465,
    "removexattrat": 466,
    "open_tree_attr": 467,
    "file_getattr": 468,
    "file_setattr": 469,
}
"""Calls that a libseccomp of today may not know; new ones have one number on all architectures."""

_UNKNOWN = -1
_NUMBERS = range(512)
_NOTIFYING_INTERFACE = 5
_BINARY_TREE = 2
_FOLLOWING = bpf.TRACE | bpf.DATA_MASK
"""The answer of a part that does not decide; no rule gives it."""

_OPERATORS = {
    "==": pyseccomp.EQ,
    "!=": pyseccomp.NE,
    "<": pyseccomp.LT,
    "<=": pyseccomp.LE,
    ">": pyseccomp.GT,
    ">=": pyseccomp.GE,
}

Match = tuple[int, tuple[Arg, ...]]
"""The number of a call, and conditions that must all hold."""


class Group(NamedTuple):
    """Calls of which the same becomes.

    Args:
        action: SECCOMP_RET_* with its data.
        matches: any of which is enough.
    """

    action: int
    matches: tuple[Match, ...]


class Policy(NamedTuple):
    """What becomes of every system call.

    Args:
        groups: the first that matches a call decides.
        newest: if none does, calls with higher numbers are unknown (ENOSYS); None where that is nothing special.
        default: SECCOMP_RET_* for the rest.
        other: SECCOMP_RET_* for calls of other architectures.
    """

    groups: tuple[Group, ...]
    newest: int | None
    default: int
    other: int


@cache
def number_of(name: str) -> int | None:
    """Return the number of a system call on this machine; negative if only others have it, None if none has."""
    number: int = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
    return NEWER.get(name) if number == _UNKNOWN else number


def names() -> list[str]:
    """Return the names of this machine's system calls."""
    found = list(NEWER)
    for number in _NUMBERS:
        try:
            found.append(pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, number).decode())
        except ValueError:
            continue
    return found


@lru_cache(maxsize=64)
def compiled(policy: Policy) -> bytes:
    """Return a policy as a filter for seccomp(2)."""
    # What the kernel can do is known already; libseccomp is not to ask the one that happens to run.
    pyseccomp.set_api(_NOTIFYING_INTERFACE)
    parts = [_exported(group.action, part, policy.other) for group in policy.groups for part in _parts(group.matches)]
    # The first part refuses other architectures.
    parts = parts or [_exported(bpf.ALLOW, {}, policy.other)]
    if policy.newest is not None:
        parts.append(above(policy.newest, bpf.ERRNO | ENOSYS, _FOLLOWING))
    return chained(parts, _FOLLOWING, policy.default)


def _parts(matches: Iterable[Match]) -> list[dict[int, tuple[Arg, ...]]]:
    """Divide matches so that no part names a call twice: libseccomp gets some alternatives with conditions wrong."""
    distinct = dict.fromkeys(matches)
    whole = {number for number, args in distinct if not args}
    parts: list[dict[int, tuple[Arg, ...]]] = []
    for number, args in distinct:
        if args and number in whole:
            continue
        part = next((part for part in parts if number not in part), None)
        if part is None:
            parts.append(part := {})
        part[number] = args
    return parts


def _exported(action: int, matches: Mapping[int, tuple[Arg, ...]], other: int) -> bytes:
    compiler = pyseccomp.SyscallFilter(_FOLLOWING)
    compiler.set_attr(pyseccomp.Attr.ACT_BADARCH, other)
    compiler.set_attr(pyseccomp.Attr.CTL_OPTIMIZE, _BINARY_TREE)
    for number, args in matches.items():
        compiler.add_rule_exactly(action, number, *map(_compared, args))
    with open(os.memfd_create("filter", os.MFD_CLOEXEC), "w+b") as file:
        compiler.export_bpf(file)
        file.seek(0)
        return file.read()


def _compared(arg: Arg) -> Any:
    if arg.mask is None:
        return pyseccomp.Arg(arg.index, _OPERATORS[arg.op], arg.value)
    return pyseccomp.Arg(arg.index, pyseccomp.MASKED_EQ, arg.mask, arg.value)

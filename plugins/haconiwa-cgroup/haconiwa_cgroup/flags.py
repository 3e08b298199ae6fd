"""docker's flags for memory, processors and processes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from haconiwa_cgroup import Cgroup
from haconiwa_cgroup.sizes import UNLIMITED, parsed
from haconiwa_core.cli.flags import Flag
from haconiwa_core.errors import DefinitionError, Problem

SECTION = Cgroup.section
FLAGS = {
    "memory": Flag("`memory`", "SIZE", "m"),
    "memory-swap": Flag("`swap`: what is left of it beside `memory`; -1 is no limit", "SIZE"),
    "cpus": Flag("`cpu`", "NUMBER"),
    "cpu-shares": Flag("`cpu_weight`: docker's 1024 is 100", "NUMBER"),
    "cpuset-cpus": Flag("`cpuset`", "LIST"),
    "cpuset-mems": Flag("`cpuset_mems`", "LIST"),
    "pids-limit": Flag("`pids`; -1 is no limit", "NUMBER"),
    "cgroup-parent": Flag("`parent`", "GROUP"),
}

_SIZE = re.compile(r"(\d{1,19})([bkmgt]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
_NO_LIMIT = "-1"
_SHARES, _WEIGHT = 1024, 100
"""What a group has that asks for nothing, in version 1 and here."""


def options(given: Mapping[str, Sequence[str]], section: Cgroup | None) -> dict[str, Any]:
    """Turn each flag's last value into the option; what is no number is left for the option's own check."""
    last = {name: values[-1] for name, values in given.items()}
    changed: dict[str, Any] = {}
    if "memory" in last:
        changed["memory"] = _size(last["memory"])
    if "memory-swap" in last:
        memory = changed.get("memory", section.memory if section else None)
        changed["swap"] = _beside(memory, _size(last["memory-swap"]))
    if "cpus" in last:
        changed["cpu"] = _number(last["cpus"])
    if "cpu-shares" in last:
        changed["cpu_weight"] = _weight(last["cpu-shares"])
    if "pids-limit" in last:
        # docker counts 0 as no limit, too.
        changed["pids"] = UNLIMITED if last["pids-limit"] in (_NO_LIMIT, "0") else _number(last["pids-limit"])
    for flag, option in (("cpuset-cpus", "cpuset"), ("cpuset-mems", "cpuset_mems"), ("cgroup-parent", "parent")):
        if flag in last:
            changed[option] = last[flag]
    return changed


def _size(text: str) -> str:
    """Return docker's `256m` or `256mb` as "256M"."""
    if text == _NO_LIMIT:
        return UNLIMITED
    match = _SIZE.fullmatch(text)
    return f"{match[1]}{match[2].upper().removesuffix('B')}" if match else text


def _beside(memory: Any, total: str) -> Any:
    """Return how much swap a limit of memory and swap together leaves."""
    if memory in (None, UNLIMITED):
        if total == UNLIMITED:
            return total
        hint = "give --memory, too: it is of both together"
        raise DefinitionError([Problem("--memory-swap without a limit of memory", hint=hint)])
    both, alone = (_bytes(text) for text in (total, memory))
    if both is None or alone is None:
        return total  # No limit, or told to be wrong by the option's own check.
    if both < alone:
        raise DefinitionError([Problem(f"--memory-swap {total} is less than the memory, {memory}, which it contains")])
    return both - alone


def _bytes(size: Any) -> int | None:
    return parsed(size) if isinstance(size, int) or _SIZE.fullmatch(str(size)) else None


def _weight(text: str) -> Any:
    shares = _number(text)
    return max(1, round(shares * _WEIGHT / _SHARES)) if isinstance(shares, int) and shares > 0 else shares


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

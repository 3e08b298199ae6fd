"""Memory and swap space."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from haconiwa_cgroup.controller import Setting
from haconiwa_cgroup.files import Parts, number, numbers, present, read, write_exactly, write_size
from haconiwa_cgroup.sizes import UNLIMITED, parsed, written
from haconiwa_core.errors import DefinitionError, Problem


class Memory:
    """Version 1 limits the sum of memory and swap, version 2 each of them."""

    names: Mapping[int, str] = {2: "memory", 1: "memory"}
    options: Mapping[str, Any] = {"memory": UNLIMITED, "memory_high": UNLIMITED, "swap": UNLIMITED}

    def settings(self, options: Mapping[str, Any], version: int) -> Iterator[Setting]:
        """Limit them."""
        if version == 1:
            yield from _version_1(options)
            return
        files = {"memory": "memory.max", "swap": "memory.swap.max"}
        for option, file in files.items():
            if option in options:
                yield Setting(file, written(options[option]), write_size)
        if "memory_high" in options:
            yield Setting("memory.high", written(options["memory_high"]), write_high)

    def usage(self, group: Path, version: int) -> dict[str, object]:
        """Return what is used and may be, and how many processes were killed for it."""
        if version == 1:
            # Each group counts for itself alone.
            killed = [numbers(folder, "memory.oom_control").get("oom_kill", 0) for folder in (group, *_below(group))]
            values: dict[str, object] = {
                "current": number(group, "memory.usage_in_bytes"),
                "peak": number(group, "memory.max_usage_in_bytes"),
                "max": number(group, "memory.limit_in_bytes"),
                "max_with_swap": number(group, "memory.memsw.limit_in_bytes"),
                "oom_kill": sum(killed) if (group / "memory.oom_control").exists() else None,
            }
            return present(values)
        files = ("current", "peak", "max", "high", "swap.current", "swap.max")
        values = {file.replace(".", "_"): number(group, f"memory.{file}") for file in files}
        events = numbers(group, "memory.events")
        return present({**values, **{name: events.get(name) for name in ("oom", "oom_kill")}})


CONTROLLER = Memory()


def write_high(file: Parts, value: str) -> None:
    """Write a limit that slows down; it may lie below what is in use, which is then reclaimed.

    Raises:
        OSError: the kernel refuses, or has taken another value.
    """
    pages = value if value == UNLIMITED else str(int(value) - int(value) % os.sysconf("SC_PAGE_SIZE"))
    write_exactly(file, pages)


def write_both(file: Parts, value: str) -> None:
    """Write the limit of memory and that of memory and swap, whose order depends on what is in force.

    Args:
        file: that of memory.
        value: both, each a number or "max".

    Raises:
        StepError: more is in use.
        OSError: the kernel refuses, or has taken another value.
    """
    memory, both = value.split()
    group = file[:-1]
    orders = [(file, memory), ((*group, "memory.memsw.limit_in_bytes"), both)]
    # The sum may at no time be the smaller one.
    current = int(read(os.path.join(*file)))
    raised = memory == UNLIMITED or int(memory) > current
    for target, limit in reversed(orders) if raised else orders:
        write_size(target, limit)


def _version_1(options: Mapping[str, Any]) -> Iterator[Setting]:
    memory = options.get("memory", UNLIMITED)
    problems = []
    if options.get("memory_high", UNLIMITED) != UNLIMITED:
        problems.append(Problem("needs the controller memory of version 2, which this host lacks", key="memory_high"))
    swap = options.get("swap")
    if swap is not None and swap != UNLIMITED and parsed(memory) is None:
        problems.append(Problem("with version 1 of the controller it needs a limit of memory, too", key="swap"))
    if problems:
        raise DefinitionError(problems)
    file = "memory.limit_in_bytes"
    if swap is None:
        yield Setting(file, written(memory), write_size)
        return
    both = UNLIMITED if parsed(swap) is None else str((parsed(memory) or 0) + (parsed(swap) or 0))
    yield Setting(file, f"{written(memory)} {both}", write_both)


def _below(group: Path) -> Iterator[Path]:
    return (Path(folder) for folder, _, _ in os.walk(group) if Path(folder) != group)

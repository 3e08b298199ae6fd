"""Where the kernel counts what happens to a container, and how it can be noticed (cgroups(7))."""

from __future__ import annotations

import os
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from haconiwa_core.hooks.events import Event
from haconiwa_core.host import CgroupTree, HostFacts
from haconiwa_core.linux.cgroups import ATTACHED, FIRST
from haconiwa_core.linux.host import start_time
from haconiwa_core.runtime.record import Record


class By(Enum):
    """How a change of a file is noticed."""

    INOTIFY = "version 2 tells who watches the file"
    EVENTFD = "version 1 tells an eventfd of memory that runs out, just before it kills"
    LOOKING = "version 1 tells nobody of processes that are refused"


class Source(NamedTuple):
    """A counter of the kernel's.

    Args:
        event: what it counts.
        file: of lines like "name number".
        field: the name.
        by: how a change is noticed.
    """

    event: Event
    file: str
    field: str
    by: By


def sources_of(record: Record, host: HostFacts) -> tuple[Source, ...]:
    """Return the counters of a running container; none if it has no control group of its own.

    Args:
        record: of the container.
        host: whose hierarchies they lie in.

    Raises:
        FileNotFoundError, ProcessLookupError: it has ended.
    """
    if not record.group or record.child is None:
        return ()
    text = Path(f"/proc/{record.child.pid}/cgroup").read_text()
    if start_time(record.child.pid) != record.child.started:
        raise ProcessLookupError
    rows = (line.split(":", 2) for line in text.splitlines())
    paths = {names: path for _, names, path in rows}
    leaf = f"/{record.group[1]}/{FIRST}"
    found: list[Source] = []
    for tree in host.cgroups:
        path = paths.get("" if tree.version == 2 else ",".join(tree.controllers), "")
        # In other hierarchies it is where its starter is.
        if path.endswith(leaf):
            found += _sources_in(tree, tree.mount + path.removesuffix(f"/{FIRST}"))
    return tuple(found)


def _sources_in(tree: CgroupTree, group: str) -> Iterator[Source]:
    leaves = [os.path.join(group, leaf) for leaf in (FIRST, ATTACHED)]
    if tree.version == 2:
        yield from _present(Event.OOM, [group], "memory.events", "oom_kill", By.INOTIFY)
        # Before Linux 6.11 it is counted where a process was refused, since then where the limit lies.
        yield from _present(Event.PIDS_LIMIT, [group, *leaves], "pids.events", "max", By.INOTIFY)
        return
    yield from _present(Event.OOM, leaves, "memory.oom_control", "oom_kill", By.EVENTFD)
    yield from _present(Event.PIDS_LIMIT, leaves, "pids.events", "max", By.LOOKING)


def _present(event: Event, groups: list[str], name: str, field: str, by: By) -> Iterator[Source]:
    files = (os.path.join(group, name) for group in groups)
    return (Source(event, file, field, by) for file in files if os.path.exists(file))

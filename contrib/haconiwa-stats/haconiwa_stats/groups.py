"""The control groups of a container, and what they tell (cgroups(7))."""

from __future__ import annotations

import os
from collections.abc import Sequence

from haconiwa_core.host import CgroupTree
from haconiwa_core.linux.cgroups import FIRST
from haconiwa_core.runtime.record import Record
from haconiwa_stats.files import field, number, text
from haconiwa_stats.usage import Usage

_NANOSECOND, _MICROSECOND = 1e-9, 1e-6
_ACCOUNTING = "cpuacct"
_PRESSURE = "some avg10="


class Groups:
    """Where the control groups of a running container are.

    Args:
        record: of the container, which has groups of its own.
        trees: the host's hierarchies.

    Attributes:
        places: the container's directory by controller, with the version of its hierarchy; "" is version 2 itself,
            which counts processor time and pressure without any controller.
    """

    def __init__(self, record: Record, trees: Sequence[CgroupTree]) -> None:
        self.places: dict[str, tuple[str, int]] = {}
        own = f"/{record.group[1]}/{FIRST}"
        rows = (text(f"/proc/{record.child.pid}/cgroup") or "").splitlines() if record.child else ()
        paths = {names: path for _, names, path in (row.split(":", 2) for row in rows)}
        for tree in trees:
            path = paths.get("" if tree.version == 2 else ",".join(tree.controllers), "")
            # In other hierarchies it is where its starter is.
            if path.endswith(own):
                place = (tree.mount + path.removesuffix(f"/{FIRST}"), tree.version)
                self.places |= dict.fromkeys((*tree.controllers, "") if tree.version == 2 else tree.controllers, place)

    def usage(self) -> Usage:
        """Return what they tell at this moment."""
        read, written = self._io() or (None, None)
        return Usage(
            "cgroup",
            self._cpu(),
            *self._memory(),
            *self._pids(),
            read,
            written,
            *(self._pressure(kind) for kind in ("cpu", "memory", "io")),
        )

    def _cpu(self) -> float | None:
        if place := self.places.get(""):
            used = field(f"{place[0]}/cpu.stat", "usage_usec")
            return None if used is None else used * _MICROSECOND
        if place := self.places.get(_ACCOUNTING):
            used = number(f"{place[0]}/cpuacct.usage")
            return None if used is None else used * _NANOSECOND
        return None

    def _memory(self) -> tuple[int | None, int | None]:
        folder, version = self.places.get("memory", ("", 0))
        files = ("memory.current", "memory.max") if version == 2 else ("memory.usage_in_bytes", "memory.limit_in_bytes")
        return _two(folder, files)

    def _pids(self) -> tuple[int | None, int | None]:
        return _two(self.places.get("pids", ("", 0))[0], ("pids.current", "pids.max"))

    def _io(self) -> tuple[int, int] | None:
        """Return the bytes that were read and written so far."""
        if (place := self.places.get("io")) and place[1] == 2:
            words = (text(f"{place[0]}/io.stat") or "").split()
            return _sum(words, "rbytes="), _sum(words, "wbytes=")
        if place := self.places.get("blkio"):
            lines = (text(f"{place[0]}/blkio.throttle.io_service_bytes_recursive") or "").splitlines()
            told = [line.split() for line in lines]
            return _sum_of(told, "Read"), _sum_of(told, "Write")
        return None

    def _pressure(self, kind: str) -> float | None:
        place = self.places.get("")
        line = (text(f"{place[0]}/{kind}.pressure") or "") if place else ""
        return float(line.removeprefix(_PRESSURE).partition(" ")[0]) if line.startswith(_PRESSURE) else None


def _two(folder: str, files: tuple[str, str]) -> tuple[int | None, int | None]:
    used, limit = (number(os.path.join(folder, file)) if folder else None for file in files)
    return used, limit


def _sum(words: Sequence[str], start: str) -> int:
    return sum(int(word.removeprefix(start)) for word in words if word.startswith(start))


def _sum_of(rows: Sequence[Sequence[str]], what: str) -> int:
    return sum(int(row[2]) for row in rows if len(row) == 3 and row[1] == what)

"""How many processes and threads there may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from haconiwa_cgroup.controller import Setting
from haconiwa_cgroup.files import number, numbers, present, write_limit
from haconiwa_cgroup.sizes import UNLIMITED
from haconiwa_core.linux.cgroups import ATTACHED, FIRST

VERSION_2 = 2


class Pids:
    """The same in both versions."""

    names: Mapping[int, str] = {2: "pids", 1: "pids"}
    options: Mapping[str, Any] = {"pids": UNLIMITED}

    def settings(self, options: Mapping[str, Any], _version: int) -> Iterator[Setting]:
        """Limit their number."""
        yield Setting("pids.max", str(options["pids"]), write_limit)

    def usage(self, group: Path, version: int) -> dict[str, object]:
        """Return how many there are and may be, and how often one was refused."""
        # Version 1 counts only where the process was that has made one too many.
        counted = (group,) if version == VERSION_2 else (group, group / FIRST, group / ATTACHED)
        counts = [numbers(each, "pids.events").get("max") for each in counted]
        refused = sum(count or 0 for count in counts) if counts[0] is not None else None
        return present({"current": number(group, "pids.current"), "max": number(group, "pids.max"), "refused": refused})


CONTROLLER = Pids()

"""How many processes and threads there may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from haconiwa_cgroup.controller import Setting
from haconiwa_cgroup.files import number, numbers, present, write_limit
from haconiwa_cgroup.sizes import UNLIMITED


class Pids:
    """The same in both versions."""

    names: Mapping[int, str] = {2: "pids", 1: "pids"}
    options: Mapping[str, Any] = {"pids": UNLIMITED}

    def settings(self, options: Mapping[str, Any], _version: int) -> Iterator[Setting]:
        """Limit their number."""
        yield Setting("pids.max", str(options["pids"]), write_limit)

    def usage(self, group: Path, _version: int) -> dict[str, object]:
        """Return how many there are and may be, and how often one was refused."""
        refused = numbers(group, "pids.events").get("max")
        return present({"current": number(group, "pids.current"), "max": number(group, "pids.max"), "refused": refused})


CONTROLLER = Pids()

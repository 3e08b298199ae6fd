"""What a container could leave behind on the host."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import NamedTuple

from haconiwa_core.host import gather
from haconiwa_core.linux.host import children
from haconiwa_core.testing.running import INSTANCE

_PATIENCE = 2
"""Seconds after which what is left stays."""

STATE = "state"
"""The folder of records, below that of a test."""


class Traces(NamedTuple):
    """What is there; other tests may run at the same time, with containers and folders of their own."""

    mounts: list[str]
    files: list[str]
    groups: list[str]
    links: list[str]
    processes: list[int]

    @staticmethod
    def seen(folder: Path) -> Traces:
        """Look at the host.

        Args:
            folder: of the test.
        """
        numbered = re.compile(r"^\d+ \d+ ", re.MULTILINE)
        mounts = numbered.sub("", Path("/proc/self/mountinfo").read_text()).splitlines()
        files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
        tops = [tree.mount for tree in gather().cgroups]
        return Traces(
            [line for line in mounts if str(folder) in line or "/pytest-" not in line],
            [path for path in files if path.partition("/")[0] != STATE],
            [group for top in tops for group, _, _ in os.walk(top) if INSTANCE in group],
            sorted(os.listdir("/sys/class/net")),
            sorted(children()),
        )


def assert_as_before(folder: Path, before: Traces, happened: str) -> None:
    """Fail if the host is not as it was.

    Args:
        folder: of the test.
        before: what was there.
        happened: since, for the message.
    """
    # What others do on this host comes and goes meanwhile, and the kernel may be slow to let go.
    deadline = time.monotonic() + _PATIENCE
    while (now := Traces.seen(folder)) != before and time.monotonic() < deadline:
        time.sleep(0.01)
    differences = [
        f"{was} were {name}, {are} are"
        for name, was, are in zip(Traces._fields, before, now, strict=True)
        if was != are
    ]
    assert not differences, f"{happened}, and the host is not as it was: {'; '.join(differences)}"


def descriptors() -> list[str]:
    """Return what this process has open: each descriptor's number and what it leads to."""
    links = ((number, f"/proc/self/fd/{number}") for number in sorted(os.listdir("/proc/self/fd"), key=int))
    # The descriptor of the listing itself is gone.
    return [f"{number} {os.readlink(link)}" for number, link in links if os.path.lexists(link)]

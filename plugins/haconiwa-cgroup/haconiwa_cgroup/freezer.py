"""Freeze all processes of a container, and let them go on (cgroups(7), cgroup.freeze, freezer.state)."""

from __future__ import annotations

import os
import time
from pathlib import Path

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.linux.cgroups import is_frozen

_PATIENCE = 5.0
_POLL = 0.002
_VERSION_2 = {True: "1", False: "0"}
_VERSION_1 = {True: "FROZEN", False: "THAWED"}


def set_frozen(group: Path, *, frozen: bool) -> None:
    """Freeze a group with all below it, or let it go on, and wait until that is so.

    Args:
        group: its directory.
        frozen: whether it is to be.

    Raises:
        HaconiwaError: its hierarchy cannot, or it does not within 5 seconds, as when a process waits for a disk.
        OSError: the caller may not, or there is no such group.
    """
    if (group / "cgroup.freeze").exists():
        (group / "cgroup.freeze").write_text(_VERSION_2[frozen])
    elif (group / "freezer.state").exists():
        (group / "freezer.state").write_text(_VERSION_1[frozen])
    else:
        raise HaconiwaError(f"{group} cannot be frozen: mount version 2, or the freezer of version 1")
    deadline = time.monotonic() + _PATIENCE
    while is_frozen(*os.path.split(group)) != frozen:
        if time.monotonic() > deadline:
            raise HaconiwaError(f"{group} does not {'freeze' if frozen else 'thaw'}: a process of it cannot be stopped")
        time.sleep(_POLL)

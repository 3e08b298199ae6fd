"""Read the files of a group back, and tell whether they say what was written."""

from __future__ import annotations

import os
from pathlib import Path

from haconiwa_cgroup.controller import Setting
from haconiwa_cgroup.controllers.cpuset import numbers_in, write_set
from haconiwa_cgroup.controllers.devices import resolved, write_devices
from haconiwa_cgroup.controllers.io import device_number, write_device
from haconiwa_cgroup.controllers.memory import write_both, write_high
from haconiwa_cgroup.files import is_unlimited, write_line, write_size

_BOTH = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
_MISSING = "no such file"


def read_back(folder: Path, setting: Setting) -> tuple[str, bool]:
    """Return what the kernel says, and whether that is what a setting says.

    Args:
        folder: of the group.
        setting: what was written there.
    """
    write, wanted = setting.write, setting.value
    names = _BOTH if write is write_both else ("devices.list",) if write is write_devices else (setting.file,)
    try:
        found = [(folder / name).read_text().strip() for name in names]
    except FileNotFoundError:
        return _MISSING, False
    text = " ".join(found)
    if write is write_both:
        return text, all(map(_is_limit, found, wanted.split()))
    if write is write_devices:
        return text, sorted(text.splitlines()) == sorted(map(str, resolved(wanted)))
    if write is write_set:
        return text, numbers_in(text) == numbers_in(wanted)
    lines = [line.split() for line in text.splitlines()]
    if write is write_device:
        device, *limits = wanted.split()
        shown = next((words[1:] for words in lines if words[0] == device_number(device)), [])
        unlimited = all(limit.endswith("=max") or limit == "0" for limit in limits)
        return text, not shown if unlimited else shown == limits
    if write is write_line:
        return text, any(set(wanted.split()) <= set(line) for line in lines)
    if write in (write_size, write_high):
        return text, _is_limit(text, wanted)
    return text, text.split() == wanted.split() or (is_unlimited(text) and is_unlimited(wanted))


def _is_limit(found: str, wanted: str) -> bool:
    """Return whether a number of bytes is in force, which the kernel may have rounded down to a page."""
    if is_unlimited(wanted):
        return is_unlimited(found)
    page = os.sysconf("SC_PAGE_SIZE")
    return found.isdigit() and wanted.isdigit() and 0 <= int(wanted) - int(found) < page

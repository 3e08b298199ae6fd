"""Reading from and writing to block devices."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from haconiwa_cgroup import Io
from haconiwa_cgroup.controller import Setting
from haconiwa_cgroup.files import Parts, compare, put, read
from haconiwa_cgroup.sizes import UNLIMITED, written
from haconiwa_core.errors import StepError

_VERSION_1 = {
    "rbps": "blkio.throttle.read_bps_device",
    "wbps": "blkio.throttle.write_bps_device",
    "riops": "blkio.throttle.read_iops_device",
    "wiops": "blkio.throttle.write_iops_device",
}


class InputOutput:
    """One line of a file for each device in version 2, of four files in version 1."""

    names: Mapping[int, str] = {2: "io", 1: "blkio"}
    options: Mapping[str, Any] = {"io": Io()}

    def settings(self, options: Mapping[str, Any], version: int) -> Iterator[Setting]:
        """Limit each device that is named."""
        for device, limits in sorted(options["io"].items()):
            values = {name: written(getattr(limits, name)) for name in _VERSION_1}
            if version == 2:
                words = " ".join(f"{name}={value}" for name, value in values.items())
                yield Setting("io.max", f"{device} {words}", write_device)
                continue
            for name, value in values.items():
                yield Setting(_VERSION_1[name], f"{device} {0 if value == UNLIMITED else value}", write_device)

    def usage(self, group: Path, version: int) -> dict[str, object]:
        """Return what each device has done, and may do."""
        found: dict[str, dict[str, object]] = {}
        for line in _lines(group / ("io.stat" if version == 2 else "blkio.throttle.io_service_bytes_recursive")):
            if version == 2:
                found.setdefault(line[0], {}).update(_pairs(line[1:]))
            elif len(line) == 3:
                found.setdefault(line[0], {})[line[1].lower()] = int(line[2])
        for line in _lines(group / "io.max"):
            found.setdefault(line[0], {})["max"] = _pairs(line[1:])
        for name, file in _VERSION_1.items():
            for device, limit in _lines(group / file):
                limits = found.setdefault(device, {}).setdefault("max", {})
                assert isinstance(limits, dict)
                limits[name] = int(limit)
        return dict(found)


CONTROLLER = InputOutput()


def write_device(file: Parts, value: str) -> None:
    """Write what one block device may do, and read it back.

    Args:
        file: of a group.
        value: the device, as path or numbers, and its limits; a device without any has no line.

    Raises:
        StepError: it is no block device.
        OSError: the kernel refuses, or has taken another value.
    """
    device, *limits = value.split()
    numbers = device_number(device)
    path = os.path.join(*file)
    try:
        put(path, " ".join([numbers, *limits]))
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        raise StepError(errno.ENODEV, f"there is no block device {numbers}", "name a whole disk") from error
    lines = [line.split() for line in read(path).splitlines()]
    shown = next((words[1:] for words in lines if words[0] == numbers), [])
    unlimited = all(limit.endswith("=max") or limit == "0" for limit in limits)
    compare(path, value, not shown if unlimited else shown == limits)


def _lines(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def _pairs(words: Sequence[str]) -> dict[str, object]:
    pairs = (word.split("=") for word in words)
    return {name: int(value) if value.isdigit() else value for name, value in pairs}


def device_number(device: str) -> str:
    """Return "major:minor" of a block device that is named so or by its path.

    Raises:
        StepError: it is none.
    """
    if not device.startswith("/"):
        return device
    status = os.stat(device)
    if not stat.S_ISBLK(status.st_mode):
        raise StepError(errno.ENOTBLK, f"{device} is no block device", "name a disk, such as /dev/sda")
    return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"

"""Which devices may be used and made; all others are refused."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from haconiwa_cgroup.bpf import Rule, attach_device_rules
from haconiwa_cgroup.controller import Setting
from haconiwa_cgroup.files import Parts, compare, put, read
from haconiwa_core.errors import StepError

DEFAULT = (
    *("c *:* m", "b *:* m"),  # Making a node is not using it.
    *("c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm"),  # null, zero, full, random, urandom
    *("c 5:0 rwm", "c 5:1 rwm", "c 5:2 rwm", "c 136:* rwm"),  # tty, console, ptmx, pseudoterminals
)
"""What "default" stands for."""

_ACCESS = "rwm"
_NO_CAPABILITY = "denying devices needs CAP_SYS_ADMIN, which the caller does not have"


class Devices:
    """A controller of its own in version 1, a BPF program in version 2."""

    names: Mapping[int, str] = {1: "devices", 2: ""}
    options: Mapping[str, Any] = {"devices": None}

    def settings(self, options: Mapping[str, Any], version: int) -> Iterator[Setting]:
        """Deny everything but what is named."""
        named = list(options["devices"])
        rules = [rule for word in named for rule in (DEFAULT if word == "default" else (word,))]
        if version == 1:
            yield Setting("devices.allow", "\n".join(rules), write_devices)
        else:
            yield Setting("", "\n".join(rules), attach_devices)

    def usage(self, group: Path, _version: int) -> dict[str, object]:
        """Return which may be used; of a program in version 2 nothing can be read."""
        path = group / "devices.list"
        return {"allowed": path.read_text().splitlines()} if path.exists() else {}


CONTROLLER = Devices()


def write_devices(file: Parts, value: str) -> None:
    """Allow these devices alone, and read it back (version 1).

    Args:
        file: devices.allow of a group that has none below it.
        value: lines like "c 1:3 rwm" or "/dev/fuse rw".

    Raises:
        StepError: a path is no device, or the caller lacks CAP_SYS_ADMIN.
        OSError: the kernel refuses.
    """
    *group, _ = file
    folder = os.path.join(*group)
    rules = sorted(map(str, resolved(value)))
    try:
        put(os.path.join(folder, "devices.deny"), "a")
    except PermissionError as error:
        raise StepError(errno.EPERM, os.strerror(errno.EPERM), _NO_CAPABILITY) from error
    for rule in rules:
        put(os.path.join(folder, "devices.allow"), rule)
    path = os.path.join(folder, "devices.list")
    compare(path, value, sorted(read(path).splitlines()) == rules)


def attach_devices(file: Parts, value: str) -> None:
    """Allow these devices alone (version 2).

    Args:
        file: a group, and "".
        value: lines like "c 1:3 rwm" or "/dev/fuse rw".

    Raises:
        StepError: a path is no device.
        OSError: the kernel refuses.
    """
    attach_device_rules(os.path.join(*file), resolved(value))


def resolved(text: str) -> list[Rule]:
    """Return a rule for each device that is named, with all that is allowed of it."""
    allowed: dict[tuple[str, str, str], str] = {}
    for line in text.splitlines():
        kind, *words = line.split()
        if kind.startswith("/"):
            kind, numbers, access = *_identified(kind), "".join(words)
        else:
            numbers, access = words[0], "".join(words[1:])
        major, _, minor = numbers.partition(":")
        allowed[kind, major, minor] = allowed.get((kind, major, minor), "") + (access or _ACCESS)
    return [Rule(*key, "".join(item for item in _ACCESS if item in access)) for key, access in allowed.items()]


def _identified(path: str) -> tuple[str, str]:
    status = os.stat(path)
    kind = "b" if stat.S_ISBLK(status.st_mode) else "c" if stat.S_ISCHR(status.st_mode) else ""
    if not kind:
        raise StepError(errno.ENODEV, f"{path} is no device", "name a device, such as /dev/fuse")
    return kind, f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"

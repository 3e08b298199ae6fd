"""Which processors and memory nodes may be used (cpuset(7))."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from haconiwa_cgroup.controller import Setting
from haconiwa_cgroup.files import Parts, put, read
from haconiwa_core.errors import DefinitionError, Problem, StepError

_FILES = {"cpuset": "cpuset.cpus", "cpuset_mems": "cpuset.mems"}
_EFFECTIVE = {
    "cpuset.cpus": ("cpuset.cpus.effective", "cpuset.effective_cpus"),
    "cpuset.mems": ("cpuset.mems.effective", "cpuset.effective_mems"),
}


class Cpuset:
    """The same in both versions, but for the files that tell what is in force."""

    names: Mapping[int, str] = {2: "cpuset", 1: "cpuset"}
    options: Mapping[str, Any] = {"cpuset": None, "cpuset_mems": None}

    def settings(self, options: Mapping[str, Any], _version: int) -> Iterator[Setting]:
        """Name them."""
        for option, file in _FILES.items():
            if option in options:
                yield Setting(file, _listed(options[option], option), write_set)

    def usage(self, group: Path, version: int) -> dict[str, object]:
        """Return which may be used."""
        found = {}
        for name, files in zip(("cpus", "mems"), _EFFECTIVE.values(), strict=True):
            path = group / files[version == 1]
            if path.exists():
                found[name] = path.read_text().strip()
        return dict(found)


CONTROLLER = Cpuset()


def write_set(file: Parts, value: str) -> None:
    """Write which processors or nodes may be used, and see that they can be.

    Raises:
        StepError: some do not exist, or are not the parent's.
        OSError: the kernel refuses.
    """
    path = os.path.join(*file)
    refusal = StepError(errno.EINVAL, f"not all of {value} can be used here", "name what the parent has")
    try:
        put(path, value)
    except OSError as error:
        # Version 1 refuses what version 2 takes and passes over.
        if error.errno in (errno.EINVAL, errno.EACCES, errno.ERANGE, errno.ENOSPC):
            raise refusal from error
        raise
    folder, name = os.path.split(path)
    effective = next(item for item in _EFFECTIVE[name] if os.path.exists(os.path.join(folder, item)))
    if numbers_in(read(os.path.join(folder, effective)).strip()) != numbers_in(value):
        raise refusal


def _listed(text: str, key: str) -> str:
    for part in text.split(","):
        first, _, last = part.partition("-")
        if last and int(first) > int(last):
            raise DefinitionError([Problem(f"{part} ends before it begins", key=key)])
    return text


def numbers_in(text: str) -> set[int]:
    """Return the numbers of a list such as "0-3,6"."""
    ranges = [part.partition("-") for part in text.split(",") if part]
    return {number for first, _, last in ranges for number in range(int(first), int(last or first) + 1)}

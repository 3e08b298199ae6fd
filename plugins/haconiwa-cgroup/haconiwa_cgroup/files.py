"""Write files of control groups, and read back what they say (cgroups(7)). All of it runs on the host."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from haconiwa_cgroup.sizes import UNLIMITED
from haconiwa_core.errors import StepError

Parts = tuple[str, ...]
"""A path, as its parts: one may be the instance's name, which planning does not know."""

_NO_LIMIT_1 = "-1"
_LARGE = 2**63 - 2**35
"""Version 1 shows no limit as the largest number of whole pages, of which the largest have 16 GiB."""

_USAGE = {".max": ".current", ".limit_in_bytes": ".usage_in_bytes"}


def write_exactly(file: Parts, value: str) -> None:
    """Write a file that then holds what was written, but for white space.

    Raises:
        OSError: the kernel refuses, or has taken another value.
    """
    path = os.path.join(*file)
    put(path, value)
    compare(path, value, read(path).split() == value.split())


def write_line(file: Parts, value: str) -> None:
    """Write a file of which one line then has all the words that were written.

    Raises:
        OSError: the kernel refuses, or has taken another value.
    """
    path = os.path.join(*file)
    put(path, value)
    lines = [line.split() for line in read(path).splitlines()]
    compare(path, value, any(set(value.split()) <= set(line) for line in lines))


def write_limit(file: Parts, value: str) -> None:
    """Write a limit that must not lie below what is in use.

    Args:
        file: one whose name ends in ".max" or ".limit_in_bytes".
        value: a number or "max".

    Raises:
        StepError: more is in use.
        OSError: the kernel refuses, or has taken another value.
    """
    _write_limit(os.path.join(*file), value, 1)


def write_size(file: Parts, value: str) -> None:
    """Write a limit like `write_limit`, of bytes that the kernel rounds down to a page; none at all are an error."""
    page = os.sysconf("SC_PAGE_SIZE")
    _write_limit(os.path.join(*file), value, page if value != UNLIMITED and int(value) >= page else 1)


def _write_limit(path: str, value: str, unit: int) -> None:
    end = next(end for end in _USAGE if path.endswith(end))
    if value == UNLIMITED:
        put(path, _NO_LIMIT_1 if end == ".limit_in_bytes" else value)
        found = read(path).strip()
        compare(path, value, is_unlimited(found))
        return
    _refuse_below_usage(path.removesuffix(end) + _USAGE[end], int(value))
    put(path, value)
    found = read(path).strip()
    compare(path, value, found.isdigit() and 0 <= int(value) - int(found) < unit)


def is_unlimited(text: str) -> bool:
    """Return whether what a file says is no limit."""
    return text in (UNLIMITED, _NO_LIMIT_1) or (text.isdigit() and int(text) > _LARGE)


def put(path: str, value: str) -> None:
    """Write a file in one write(2).

    Raises:
        OSError: the kernel refuses.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise _missing(path) from error
    try:
        os.write(descriptor, value.encode() or b"\n")
    finally:
        os.close(descriptor)


def read(path: str) -> str:
    """Return what a file says.

    Raises:
        OSError: it cannot be read.
    """
    return Path(path).read_text("utf-8")


def compare(path: str, value: str, same: bool) -> None:
    """Raise OSError unless what was written is what the kernel has taken."""
    if not same:
        found = read(path).strip()
        raise OSError(errno.EINVAL, f"{os.path.basename(path)} was set to {value!r} and reads back as {found!r}")


def number(group: Path, file: str) -> int | str | None:
    """Return the number that a file holds, "max" as it is; None where there is no such file."""
    try:
        text = (group / file).read_text().strip()
    except FileNotFoundError:
        return None
    return int(text) if text.isdigit() and int(text) <= _LARGE else UNLIMITED


def numbers(group: Path, file: str) -> dict[str, int]:
    """Return what a file of lines like "name number" holds; nothing where there is none."""
    try:
        lines = (group / file).read_text().splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.split() for line in lines)
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def present(values: dict[str, object]) -> dict[str, object]:
    """Return values without those that are None."""
    return {name: value for name, value in values.items() if value is not None}


def _missing(path: str) -> OSError:
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        return StepError(
            errno.ENOENT, f"there is no group {folder}", "name the same parent as the container's start did"
        )
    controller = name.partition(".")[0]
    return FileNotFoundError(
        errno.ENOENT, f"there is no {name} in {folder}: the kernel lacks it, or the controller {controller} is not on"
    )


def _refuse_below_usage(usage: str, limit: int) -> None:
    try:
        used = int(read(usage))
    except FileNotFoundError as error:
        raise _missing(usage) from error
    if used > limit:
        raise StepError(errno.EBUSY, f"{used} are in use, more than {limit}", "set a higher limit, or free some first")

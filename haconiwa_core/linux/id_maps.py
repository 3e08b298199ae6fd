"""Maps of more ids than the caller's own, for who may not write them: by the helpers that the host has for that."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Sequence
from pathlib import Path

from haconiwa_core.errors import StepError

HELPERS = {"uid_map": "newuidmap", "gid_map": "newgidmap"}
"""Set-user-ID programs, by the file in /proc/PID that they write."""

_MISSING = "install it, as root: apt-get install uidmap, or dnf install shadow-utils"
_REFUSED = "/etc/subuid and /etc/subgid must give the caller these ranges, and both helpers be set-user-ID programs"
_SECONDS = 30


def subordinate_ranges(text: str, names: Collection[str]) -> list[tuple[int, int]]:
    """Return first id and count of each range that /etc/subuid or /etc/subgid gives to a user (subuid(5)).

    Args:
        text: of the file.
        names: how it may call the user: by name, or by number.
    """
    found = []
    for user, *numbers in (line.split(":") for line in text.splitlines()):
        if user in names and len(numbers) == 2 and all(number.isdecimal() for number in numbers):
            found.append((int(numbers[0]), int(numbers[1])))
    return found


def write_id_maps_by_helpers(pid: int, users: str, groups: str) -> None:
    """Map the ids of a child's new user namespace by newuidmap(1) and newgidmap(1), and read them back.

    Args:
        pid: a child of the caller's that waits.
        users: lines of "inside outside count": the caller's own id, and what /etc/subuid gives it (subuid(5)).
        groups: the same; setgroups(2) stays allowed only if /etc/subgid gives one of them (subgid(5)).

    Raises:
        OSError: ENOENT without the helpers, EPERM where they refuse, ETIMEDOUT after 30 s.
    """
    for file, lines in (("uid_map", users), ("gid_map", groups)):
        _run(HELPERS[file], (str(pid), *lines.split()))
        if _ranges(Path(f"/proc/{pid}/{file}").read_text("ascii")) != _ranges(lines):
            raise StepError(errno.EPERM, f"{HELPERS[file]} has not written what it was asked for", _REFUSED)


def _run(helper: str, arguments: Sequence[str]) -> None:
    import subprocess

    try:
        done = subprocess.run(
            [helper, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={"PATH": os.environ.get("PATH", os.defpath)},
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StepError(errno.ETIMEDOUT, f"{helper} does not end within {_SECONDS} s", "") from error
    except OSError as error:
        raise StepError(error.errno or 0, f"{helper}: {error.strerror}", _MISSING) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise StepError(errno.EPERM, said or f"{helper}: exit status {done.returncode}", _REFUSED)


def _ranges(lines: str) -> set[tuple[str, ...]]:
    return {tuple(line.split()) for line in lines.splitlines()}

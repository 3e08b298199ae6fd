"""Refuse to use, as root, a definition that somebody else could have written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from haconiwa_core.errors import DefinitionError, Problem


def read_trusted(file: Path) -> bytes:
    """Read a definition, if only root, or the user who called sudo, can change it or replace it.

    Ordinary users run their own code with their own rights, so nothing is checked for them.

    Raises:
        DefinitionError: the file cannot be read, or others can write it or a folder above it.
    """
    try:
        with file.open("rb") as opened:
            if os.geteuid() == 0:
                _check(file, os.fstat(opened.fileno()))
            return opened.read()
    except OSError as error:
        raise DefinitionError([Problem(f"cannot be read: {error.strerror}", file=str(file))]) from error


def _check(file: Path, status: os.stat_result) -> None:
    trusted = {0, _sudo_user()}
    path = file.resolve()
    places = [(path, status), *((folder, folder.stat()) for folder in path.parents)]
    problems = [
        Problem(
            f"refused, for it would run as root: {place} {complaint}",
            file=str(file),
            hint="chown it to root and remove write permission for group and others",
        )
        for place, found in places
        if (complaint := _complaint(found, trusted))
    ]
    if problems:
        raise DefinitionError(problems)


def _complaint(status: os.stat_result, trusted: set[int]) -> str:
    if status.st_uid not in trusted:
        return f"belongs to user {status.st_uid}"
    # In a sticky folder of root, others can neither remove nor replace what is not theirs.
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX and status.st_uid == 0
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
        return f"can be written by others (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""


def _sudo_user() -> int:
    text = os.environ.get("SUDO_UID", "")
    return int(text) if text.isascii() and text.isdigit() else 0

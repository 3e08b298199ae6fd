"""Refuse to use, as root, what somebody else could have written: definitions, and places of modules."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from haconiwa_core.errors import DefinitionError, Problem

_MAKE_PRIVATE = "chown it to root and remove write permission for group and others"


def read_trusted(file: Path) -> bytes:
    """Read a definition, if only root, or the user who called sudo, can change it or replace it.

    Ordinary users run their own code with their own rights, so nothing is checked for them.

    Raises:
        DefinitionError: the file cannot be read, or others can write it or a folder above it.
    """
    try:
        with file.open("rb") as opened:
            if os.geteuid() == 0:
                _raise(_problems(file, os.fstat(opened.fileno()), _MAKE_PRIVATE))
            return opened.read()
    except OSError as error:
        raise DefinitionError([Problem(f"cannot be read: {error.strerror}", file=str(file))]) from error


def check_search_path(folders: Sequence[str]) -> None:
    """As root, refuse to import from folders that others can write: their modules would replace ours.

    Args:
        folders: as in `sys.path`; those that do not exist are left out.

    Raises:
        DefinitionError: others can write a folder, or a folder above it.
    """
    _raise([problem for folder in folders for problem in _problems_of_folder(folder)])


def trusted_search_path(folders: Sequence[str]) -> list[str]:
    """Return the folders that `check_search_path` has nothing against, for a process that is started from here."""
    return [folder for folder in folders if os.path.exists(folder) and not _problems_of_folder(folder)]


def _problems_of_folder(folder: str) -> list[Problem]:
    if os.geteuid() != 0 or not os.path.exists(folder):
        return []
    return _problems(Path(folder), os.stat(folder), "take it out of PYTHONPATH")


def _raise(problems: list[Problem]) -> None:
    if problems:
        raise DefinitionError(problems)


def _problems(file: Path, status: os.stat_result, hint: str) -> list[Problem]:
    trusted = {0, _sudo_user()}
    path = file.resolve()
    places = [(path, status, False), *((folder, folder.stat(), True) for folder in path.parents)]
    return [
        Problem(
            f"refused, for it would run as root: {place} {complaint}",
            file=str(file),
            hint=hint,
        )
        for place, found, is_above in places
        if (complaint := _complaint(found, trusted, is_above=is_above))
    ]


def _complaint(status: os.stat_result, trusted: set[int], *, is_above: bool) -> str:
    if status.st_uid not in trusted:
        return f"belongs to user {status.st_uid}"
    # In a sticky folder of root, others can neither remove nor replace what is not theirs.
    sticky = is_above and status.st_mode & stat.S_ISVTX and status.st_uid == 0
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
        return f"can be written by others (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""


def _sudo_user() -> int:
    text = os.environ.get("SUDO_UID", "")
    return int(text) if text.isascii() and text.isdigit() else 0

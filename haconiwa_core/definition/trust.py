"""Refuse to run, as root, a definition that somebody else could have written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from haconiwa_core.errors import HaconiwaError


def check_trust(file: Path) -> None:
    """Check that only root, or the user who called sudo, can change a file or put another in its place.

    Ordinary users run their own code with their own rights, so nothing is checked for them.

    Raises:
        HaconiwaError: others can write the file or a folder above it.
    """
    if os.geteuid() != 0:
        return
    trusted = {0, _sudo_user()}
    path = file.resolve()
    for place in (path, *path.parents):
        status = place.stat()
        complaint = _complaint(status, trusted, is_file=place == path)
        if complaint:
            raise HaconiwaError(
                f"{file}: refused, for it would run as root: {place} {complaint};"
                " chown it to root and remove write permission for group and others"
            )


def _complaint(status: os.stat_result, trusted: set[int], *, is_file: bool) -> str:
    if status.st_uid not in trusted:
        return f"belongs to user {status.st_uid}"
    sticky = not is_file and status.st_mode & stat.S_ISVTX and status.st_uid == 0
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
        return f"can be written by others (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""


def _sudo_user() -> int:
    text = os.environ.get("SUDO_UID", "")
    return int(text) if text.isascii() and text.isdigit() else 0

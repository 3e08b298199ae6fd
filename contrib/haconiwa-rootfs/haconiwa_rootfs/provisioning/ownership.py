"""All files of a tree given to one user and group."""

from __future__ import annotations

import os


def change_owner(directory: str, uid: int, gid: int) -> None:
    """Let everything in a tree, and its top, belong to a user and a group (chown(2)).

    No symbolic link is followed. Programs lose their set-user-ID and set-group-ID bits and their capabilities with it,
    as the kernel has it.

    Args:
        directory: the top.
        uid: the user's number.
        gid: the group's.

    Raises:
        OSError: the caller may not.
    """
    os.chown(directory, uid, gid, follow_symlinks=False)
    for _, directories, files, descriptor in os.fwalk(directory, onerror=_raise, follow_symlinks=False):
        for name in (*directories, *files):
            os.chown(name, uid, gid, dir_fd=descriptor, follow_symlinks=False)


def _raise(error: OSError) -> None:
    raise error

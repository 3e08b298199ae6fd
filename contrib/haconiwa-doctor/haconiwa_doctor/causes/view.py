"""The files of a container, seen from the host: every path is resolved below its root (openat2(2))."""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice

from haconiwa_core.facts import Namespace, NewRoot
from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.host import open_root, system_call
from haconiwa_core.linux.mounts import attach_below_root
from haconiwa_core.runtime.cause import Failure

_ENTRIES = 5000
"""So many names of a directory are looked at."""


class View:
    """What can be seen of a container's files.

    Args:
        root: descriptor of its root directory.
        where: what to call the root in messages.
        hidden: paths of the container over which something is mounted that cannot be seen from the host.
    """

    def __init__(self, root: int, where: str, hidden: tuple[str, ...] = ()) -> None:
        self._root = root
        self._hidden = hidden
        self.where = where

    def open(self, path: str) -> int | None:
        """Open what is at a path, as O_PATH; None where there is nothing.

        Raises:
            OSError: it cannot be known what is there.
        """
        try:
            found = self._open(path)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                raise
            self._refuse_hidden(self._nearest(path))
            return None
        try:
            self._refuse_hidden(self._inside(found))
        except OSError:
            os.close(found)
            raise
        return found

    def open_nearest(self, path: str) -> int:
        """Open what is at a path, or the nearest directory above it that can be opened, as O_PATH."""
        while path.strip("/"):
            with suppress(OSError):
                return self._open(path)
            path = os.path.dirname(path)
        return self._open("/")

    def link_at(self, path: str) -> str | None:
        """Return where a symbolic link leads; None where there is none."""
        try:
            found = self._open(path, os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            return os.readlink("", dir_fd=found)
        except OSError:
            return None
        finally:
            os.close(found)

    def read(self, path: str, size: int, offset: int = 0) -> bytes | None:
        """Return bytes of a regular file; None where there is no such file."""
        found = self.open(path)
        if found is None:
            return None
        try:
            if not stat.S_ISREG(os.fstat(found).st_mode):
                return None
            # A descriptor of what has been looked at leads to nothing else.
            with open(f"/proc/self/fd/{found}", "rb") as file:
                return os.pread(file.fileno(), size, offset)
        finally:
            os.close(found)

    def names(self, folder: str) -> list[str]:
        """Return names in a directory, in no order; none where there is no such directory."""
        found = self.open(folder)
        if found is None:
            return []
        try:
            with os.scandir(f"/proc/self/fd/{found}") as entries:
                return [entry.name for entry in islice(entries, _ENTRIES)]
        except NotADirectoryError:
            return []
        finally:
            os.close(found)

    def folders_above(self, path: str) -> Iterator[tuple[str, os.stat_result]]:
        """Yield each directory on the way to a path, from the root on, as far as they are there."""
        parts = [part for part in os.path.dirname(path).split("/") if part]
        for depth in range(len(parts) + 1):
            folder = "/" + "/".join(parts[:depth])
            found = self.open(folder)
            if found is None:
                return
            try:
                yield folder, os.fstat(found)
            finally:
                os.close(found)

    def _open(self, path: str, flags: int = 0) -> int:
        how = struct.pack("QQQ", os.O_PATH | os.O_CLOEXEC | flags, 0, c.RESOLVE_IN_ROOT | c.RESOLVE_NO_MAGICLINKS)
        return system_call(Call.openat2, self._root, path, how, len(how))

    def _inside(self, opened: int) -> str:
        """Return the path of the container under which something lies that is open."""
        root, found = (os.readlink(f"/proc/self/fd/{descriptor}") for descriptor in (self._root, opened))
        return f"/{os.path.relpath(found, root)}" if found != root else "/"

    def _nearest(self, path: str) -> str:
        """Return a path that is not there, below the real path of the last directory on the way to it that is."""
        folder, missing = os.path.dirname(path), os.path.basename(path)
        while folder.strip("/"):
            with suppress(OSError):
                found = self._open(folder)
                try:
                    return os.path.join(self._inside(found), missing)
                finally:
                    os.close(found)
            folder, missing = os.path.dirname(folder), os.path.join(os.path.basename(folder), missing)
        return f"/{missing}"

    def _refuse_hidden(self, inside: str) -> None:
        for cover in self._hidden:
            if f"{inside}/".startswith(f"{cover.rstrip('/')}/"):
                raise OSError(errno.EXDEV, f"{cover} is mounted in the container only")


def open_root_of(root: NewRoot | None) -> int:
    """Open the directory of the host that a container has as its root.

    Raises:
        OSError: it cannot be opened, or is merged of several when a container starts.
    """
    if root and root.below:
        raise OSError(errno.EXDEV, "the root is merged in the container only")
    return os.open(root.path if root else "/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


@contextmanager
def view_of(failure: Failure) -> Iterator[View]:
    """Open the view of the container that a step has failed of, or of the one that a process was to be put into.

    Raises:
        OSError: its files cannot be seen.
    """
    facts = failure.plan.facts
    root = facts.get(NewRoot)
    hidden: tuple[str, ...] = ()
    if failure.first:
        # Its first process lives, and what it has mounted is seen, too.
        opened = open_root(*failure.first)
    else:
        if any(item.flag == c.CLONE_NEWNS and item.joined for item in facts.all(Namespace)):
            raise OSError(errno.EXDEV, "its mounts are those of another")
        opened = open_root_of(root)
        steps = (planned.step for planned in failure.plan.steps)
        hidden = tuple(os.path.normpath(str(step.arguments[1])) for step in steps if step.function is attach_below_root)
    try:
        yield View(opened, root.path if root else "the host", hidden)
    finally:
        os.close(opened)

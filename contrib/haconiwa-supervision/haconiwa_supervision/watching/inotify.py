"""Which files have changed (inotify(7))."""

from __future__ import annotations

import errno
import os
import struct
from contextlib import suppress

from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.host import system_call

_MODIFY = 0x2
_OVERFLOW = 0x4000
_EVENT = struct.Struct("iIII")
_BUFFER = 64 << 10


class Inotify:
    """One instance of the kernel's, for any number of files."""

    def __init__(self) -> None:
        self._descriptor = system_call(Call.inotify_init1, os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        """Return the descriptor, which is readable when a file has changed."""
        return self._descriptor

    def add(self, path: str) -> int:
        """Watch a file; return the number by which `read` tells of it.

        Raises:
            OSError: there is none, or ENOSPC where the user watches too many.
        """
        return system_call(Call.inotify_add_watch, self._descriptor, path, _MODIFY)

    def remove(self, watch: int) -> None:
        """Watch a file no more; nothing happens if it was removed."""
        try:
            system_call(Call.inotify_rm_watch, self._descriptor, watch)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise

    def read(self) -> set[int] | None:
        """Return the numbers of files that have changed; None where there were too many to tell."""
        found: set[int] = set()
        with suppress(BlockingIOError):
            while True:
                events = os.read(self._descriptor, _BUFFER)
                while events:
                    watch, mask, _, length = _EVENT.unpack_from(events)
                    if mask & _OVERFLOW:
                        return None
                    found.add(watch)
                    events = events[_EVENT.size + length :]
        return found

    def close(self) -> None:
        """Watch nothing any more."""
        os.close(self._descriptor)

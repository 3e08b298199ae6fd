"""Events on disk, as lines of JSON: one process writes them, any may read them at the same time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from errno import ENOSPC
from io import BufferedReader
from pathlib import Path
from typing import Any

from haconiwa_core.errors import RecordError

FILE_NAME, OLDER_NAME = "events.jsonl", "events.jsonl.1"
FILE_LIMIT = 4 << 20

_TAIL = 1 << 20
"""Bytes in which there is a whole line, if there is one at all."""
_NONE = -1

Event = Mapping[str, Any]


class EventFile:
    """The file that is written, which becomes the older one when it is full.

    Args:
        folder: in which it lies; nobody else writes there.
    """

    def __init__(self, folder: Path) -> None:
        self._path, self._older = folder / FILE_NAME, folder / OLDER_NAME
        self._file, self._size = _NONE, 0

    def append(self, line: bytes) -> None:
        """Write a line, whole or not at all.

        Raises:
            OSError: it cannot be written; the next one may be.
        """
        if self._file == _NONE:
            self._open()
        if self._size + len(line) > FILE_LIMIT:
            self.close()
            os.replace(self._path, self._older)
            self._open()
        if os.write(self._file, line) < len(line):
            os.ftruncate(self._file, self._size)
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        self._size += len(line)

    def close(self) -> None:
        """Close the file; it is opened again if need be."""
        if self._file != _NONE:
            os.close(self._file)
        self._file, self._size = _NONE, 0

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(self._path, flags, 0o600)
        self._size = os.fstat(self._file).st_size
        # Who was killed while writing has left part of a line.
        begin = max(0, self._size - _TAIL)
        end = begin + os.pread(self._file, _TAIL, begin).rfind(b"\n") + 1
        if end < self._size:
            os.ftruncate(self._file, end)
            self._size = end


def read_events(folder: Path) -> Iterator[Event]:
    """Yield the events that are kept, in order; nothing where there was no supervisor yet.

    Args:
        folder: of the supervisor's own files.

    Raises:
        RecordError: they cannot be read.
    """
    newer = _opened(folder / FILE_NAME)
    # Opened last, for it may be what was the newer one a moment ago; then there is no older one.
    older = _opened(folder / OLDER_NAME)
    if newer and older and os.path.samestat(os.fstat(newer.fileno()), os.fstat(older.fileno())):
        older.close()
        older = None
    for file in filter(None, (older, newer)):
        with file:
            yield from (event for line in file if (event := _event(line)))


def last_id(folder: Path) -> int:
    """Return the id of the last event that is kept; 0 where there is none. Errors are those of `read_events`."""
    for name in (FILE_NAME, OLDER_NAME):
        if file := _opened(folder / name):
            with file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
                for line in reversed(file.readlines()):
                    if event := _event(line):
                        return int(event["id"])
    return 0


def _opened(path: Path) -> BufferedReader | None:
    try:
        return open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}") from error


def _event(line: bytes) -> Event | None:
    """Return what a line tells; None for one that is still being written, or was not by us."""
    if not line.endswith(b"\n"):
        return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and {"id", "time", "event", "container"} <= event.keys() else None

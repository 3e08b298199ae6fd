"""What happens to containers, as it is told to who listens, and kept for who asks later."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

FILE_NAME = "events.jsonl"

_FILE_LIMIT = 4 << 20


class Events:
    """The events of one supervisor.

    Args:
        folder: in which they are kept: the last 4 to 8 MiB of them, as lines of JSON.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._listeners: dict[int, Callable[[Mapping[str, Any]], None]] = {}
        self._number = 0
        self._file = self._opened()
        self._size = os.fstat(self._file).st_size

    def emit(self, event: str, container: str, **more: Any) -> None:
        """Tell an event.

        Args:
            event: its name.
            container: of the instance, "" for what concerns all of a file.
            more: what else is to be said, as JSON has it.
        """
        told = {"time": time.time(), "event": event, "container": container, **more}
        line = json.dumps(told, separators=(",", ":"), default=str).encode() + b"\n"
        # Whole or not at all: a disk that is full must not end what is supervised.
        try:
            if self._size + len(line) > _FILE_LIMIT:
                self._rotate()
            self._size += os.write(self._file, line)
        except OSError as error:
            told["not_kept"] = error.strerror
        for listener in list(self._listeners.values()):
            listener(told)

    def listen(self, listener: Callable[[Mapping[str, Any]], None]) -> Callable[[], None]:
        """Let a function be called with each event from now on; return what ends that."""
        self._number += 1
        number = self._number
        self._listeners[number] = listener
        return lambda: self._listeners.pop(number, None) and None

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _rotate(self) -> None:
        os.replace(self._path, self._path.with_suffix(".jsonl.1"))
        former, self._file = self._file, self._opened()
        os.close(former)
        self._size = 0

    def _opened(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(self._path, flags, 0o600)

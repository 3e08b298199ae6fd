"""What happens to containers, as it is told to who listens, and kept for who asks later."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from errno import ENOSPC
from pathlib import Path
from typing import Any

FILE_NAME = "events.jsonl"
OLDER_NAME = "events.jsonl.1"

FILE_LIMIT = 4 << 20
VALUE_LIMIT = 16 << 10
"""Characters that are told of one value as JSON, where an event would be longer than that."""

_TAIL = 1 << 20
_NO_FILE = -1

Event = Mapping[str, Any]


class Events:
    """The events of one supervisor.

    Args:
        folder: in which they are kept: the last 4 to 8 MiB of them, as lines of JSON.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listeners: dict[int, Callable[[Event], None]] = {}
        self._number = 0
        self._file = _NO_FILE
        self._size = 0
        self._not_kept = 0
        self._last = max((event["id"] for event in _tail(folder)), default=0)

    def emit(self, event: str, container: str, **more: Any) -> None:
        """Tell an event, whatever becomes of the file.

        Args:
            event: its kind; see `kinds`.
            container: of the instance, "" for what concerns no single one.
            more: what else is to be said, as JSON has it.
        """
        if self._not_kept and self._can_write():
            count, self._not_kept = self._not_kept, 0
            self.emit("not kept", "", count=count, reason=os.strerror(ENOSPC))
        # It goes on growing where the clock is set back, and where those before could not be kept.
        self._last = max(self._last + 1, time.time_ns() // 1000)
        told = {"id": self._last, "time": time.time(), "event": event, "container": container, **more}

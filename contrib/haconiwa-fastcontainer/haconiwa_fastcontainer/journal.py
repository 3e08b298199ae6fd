"""What happens to services, and why: lines of JSON."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TextIO

Event = Mapping[str, Any]


class Journal:
    """Takes events: each has "time" (seconds since the epoch), "event", "service", and more.

    Args:
        file: where each is written; None for nowhere.

    Attributes:
        counts: how often each has happened, by its kind and service.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self._listeners: list[Callable[[Event], None]] = []
        self.counts: Counter[tuple[str, str]] = Counter()

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Have a function called with each event."""
        self._listeners.append(listener)

    def tell(self, event: str, service: str, **more: Any) -> None:
        """Take an event."""
        told = {"time": time.time(), "event": event, "service": service, **more}
        self.counts[event, service] += 1
        if self._file:
            self._write(self._file, json.dumps(told, separators=(",", ":")))
        for listener in self._listeners:
            listener(told)

    def _write(self, file: TextIO, line: str) -> None:
        try:
            file.write(line + "\n")
            file.flush()
        except BrokenPipeError:
            self._file = None  # Who has read it has gone; the services go on.

"""What happens to containers, as it is told to who listens, and kept for who asks later."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from haconiwa_supervision.events.files import Event, EventFile, last_id

VALUE_LIMIT = 16 << 10
"""Characters of JSON that are told of a value at most."""

_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)

Listener = Callable[[Event], None]


class Events:
    """The events of one supervisor.

    Args:
        folder: in which they are kept: the last 4 to 8 MiB of them.
    """

    def __init__(self, folder: Path) -> None:
        self._file = EventFile(folder)
        self._last = last_id(folder)
        self._listeners: dict[int, Listener] = {}
        self._number = 0
        self._left_out = 0
        self._reason = ""

    def emit(self, event: str, container: str, **more: Any) -> None:
        """Tell an event, whether it can be kept or not.

        Args:
            event: its kind; see `kinds`.
            container: of the instance, "" for what concerns no single one.
            more: what else is to be said, as JSON has it.
        """
        made: list[tuple[Event, bytes]] = []
        if self._left_out:
            made.append(self._made("not kept", "", {"count": self._left_out, "reason": self._reason}))
        made.append(self._made(event, container, more))
        try:
            # Together: where there is room for the first alone, each event would leave one of these.
            self._file.append(b"".join(line for _, line in made))
            self._left_out = 0
        except OSError as error:
            del made[:-1]
            self._left_out, self._reason = self._left_out + 1, error.strerror or str(error)
        for told, _ in made:
            for listener in list(self._listeners.values()):
                listener(told)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Let a function be called with each event from now on; return what ends that."""
        self._number += 1
        number = self._number
        self._listeners[number] = listener
        return lambda: self._listeners.pop(number, None) and None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _made(self, event: str, container: str, more: Mapping[str, Any]) -> tuple[Event, bytes]:
        # Greater than before also where the clock was set back, or where nothing could be kept.
        self._last = max(self._last + 1, time.time_ns() // 1000)
        told = {"id": self._last, "time": time.time(), "event": event, "container": container, **more}
        try:
            line = _ENCODER.encode(told)
        except (TypeError, ValueError, RecursionError):
            line = ""
        if not 0 < len(line) <= VALUE_LIMIT:
            told = {key: _bounded(value) for key, value in told.items()}
            line = _ENCODER.encode(told)
        return told, line.encode() + b"\n"


def _bounded(value: Any) -> Any:
    """Return a value, or what is told instead where it is too long, or no JSON."""
    try:
        text = _ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError):
        return f"a {type(value).__name__} that JSON cannot tell"
    return value if len(text) <= VALUE_LIMIT else f"{text[:VALUE_LIMIT]}... ({len(text)} characters)"

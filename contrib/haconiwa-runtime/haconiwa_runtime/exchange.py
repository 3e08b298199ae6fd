"""Feed a container's standard input and collect its output until it ends, without threads."""

from __future__ import annotations

import math
import os
import selectors
import time
from collections.abc import Collection
from contextlib import ExitStack
from io import FileIO
from typing import Literal

Cut = Literal["timeout", "output-limit"]

_CHUNK = 1 << 16
_LONGEST_SELECT = 3600.0


class Exchange:
    """The pipes of one container; a context manager that opens and closes them.

    It goes on in steps, so that an event loop can take them among its own: `fileno` is readable
    when there is something to do.

    Args:
        streams: which of "stdin", "stdout" and "stderr" are pipes.
        input: what the container can read.
        limit: bytes that are kept of each output.
    """

    def __init__(self, streams: Collection[str], input: bytes, limit: int) -> None:
        self._streams = streams
        self._input = memoryview(input)
        self._limit = limit
        self._ours: dict[str, FileIO] = {}
        self._theirs: dict[str, FileIO] = {}
        self._open = ExitStack()
        self._deadline = math.inf
        self.outputs = {"stdout": bytearray(), "stderr": bytearray()}
        self.cut: Cut | None = None
        """Why the container had to be ended or its output was cut."""

    def __enter__(self) -> Exchange:
        with ExitStack() as opened:
            self._selector = opened.enter_context(selectors.EpollSelector())
            for stream in self._streams:
                reader, writer = os.pipe()
                ends = opened.enter_context(FileIO(reader, "r")), opened.enter_context(FileIO(writer, "w"))
                self._theirs[stream], self._ours[stream] = ends if stream == "stdin" else ends[::-1]
                os.set_blocking(self._ours[stream].fileno(), False)
            self._open = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def theirs(self) -> dict[str, int]:
        """The container's ends, by stream."""
        return {stream: file.fileno() for stream, file in self._theirs.items()}

    def watch(self, pidfd: int, timeout: float | None) -> None:
        """Begin, after the container's start.

        Args:
            pidfd: of the container's first process.
            timeout: seconds; None waits for ever.
        """
        if timeout is not None:
            self._deadline = time.monotonic() + timeout
        for file in self._theirs.values():
            file.close()
        self._selector.register(pidfd, selectors.EVENT_READ)
        for stream, file in self._ours.items():
            event = selectors.EVENT_WRITE if stream == "stdin" else selectors.EVENT_READ
            self._selector.register(file, event, stream)

    def fileno(self) -> int:
        """Return the descriptor that is readable when `step` would find something to do (epoll(7))."""
        return self._selector.fileno()

    @property
    def left(self) -> float:
        """Seconds until the timeout."""
        return self._deadline - time.monotonic()

    def step(self, wait: float = _LONGEST_SELECT) -> bool:
        """Feed and collect what is possible now; return whether the container has ended, or has to be ended.

        Args:
            wait: seconds until something is possible, at most an hour.
        """
        left = self.left
        if left <= 0:
            self.cut = "timeout"
            return True
        for key, _ in self._selector.select(min(wait, left)):
            if key.data is None:
                return True
            if not (self._feed() if key.data == "stdin" else self._collect(key.data)):
                self._selector.unregister(key.fileobj)
                self._ours[key.data].close()
        self._check_limit()
        return self.cut is not None

    def drain(self) -> None:
        """Collect what an ended container has left in the pipes.

        A process that has survived it may hold them open: their end is not waited for.
        """
        for stream in self.outputs.keys() & self._ours.keys():
            file = self._ours[stream]
            before = -1
            while not file.closed and before < len(self.outputs[stream]):
                before = len(self.outputs[stream])
                self._collect(stream)
        self._check_limit()
        for output in self.outputs.values():
            del output[self._limit :]

    def _feed(self) -> bool:
        """Write what the pipe takes; return whether there is more to write."""
        try:
            written = self._ours["stdin"].write(self._input[:_CHUNK])
        except BrokenPipeError:
            return False  # A command need not read its input.
        self._input = self._input[written or 0 :]
        return bool(self._input)

    def _collect(self, stream: str) -> bool:
        """Read what is there, one byte above the limit at most; return whether more can come."""
        output = self.outputs[stream]
        chunk = self._ours[stream].read(min(_CHUNK, self._limit + 1 - len(output)))
        output += chunk or b""
        return chunk != b""

    def _check_limit(self) -> None:
        if any(len(output) > self._limit for output in self.outputs.values()):
            self.cut = "output-limit"

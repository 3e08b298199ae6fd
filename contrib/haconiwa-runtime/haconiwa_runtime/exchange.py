"""Feed a container's standard input and collect its output until it ends, in one loop without threads."""

from __future__ import annotations

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
    """The pipes of one container; a context manager that closes them.

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
        self.outputs = {"stdout": bytearray(), "stderr": bytearray()}

    def __enter__(self) -> Exchange:
        with ExitStack() as opened:
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

    def run(self, pidfd: int, timeout: float | None) -> Cut | None:
        """Feed and collect until the container ends or has to be ended; return why it has to.

        Args:
            pidfd: of the container's first process.
            timeout: seconds; None waits for ever.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        for file in self._theirs.values():
            file.close()
        with selectors.DefaultSelector() as selector:
            selector.register(pidfd, selectors.EVENT_READ)
            for stream, file in self._ours.items():
                event = selectors.EVENT_WRITE if stream == "stdin" else selectors.EVENT_READ
                selector.register(file, event, stream)
            while True:
                left = _LONGEST_SELECT if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    return "timeout"
                for key, _ in selector.select(min(left, _LONGEST_SELECT)):
                    if key.fd == pidfd:
                        return None
                    if not (self._feed() if key.data == "stdin" else self._collect(key.data)):
                        selector.unregister(key.fileobj)
                        self._ours[key.data].close()
                if self._is_over_limit():
                    return "output-limit"

    def drain(self) -> Cut | None:
        """Collect what an ended container has left in the pipes; return whether it was too much.

        A process that has survived it may hold them open: their end is not waited for.
        """
        for stream in self.outputs.keys() & self._ours.keys():
            file = self._ours[stream]
            before = -1
            while not file.closed and before < len(self.outputs[stream]):
                before = len(self.outputs[stream])
                self._collect(stream)
        over = self._is_over_limit()
        for output in self.outputs.values():
            del output[self._limit :]
        return "output-limit" if over else None

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

    def _is_over_limit(self) -> bool:
        return any(len(output) > self._limit for output in self.outputs.values())

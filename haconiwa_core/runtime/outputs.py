"""The output of containers in the foreground: it passes through, or its lines get the container's name before them."""

from __future__ import annotations

import os
import selectors
from collections.abc import Iterator
from contextlib import contextmanager

_CHUNK = 1 << 16
_LINE_LIMIT = 1 << 20


class Outputs:
    """The streams of the containers of one `run`.

    Args:
        prefixed: lines get names before them, and there is no input; else all is the caller's.
    """

    def __init__(self, *, prefixed: bool) -> None:
        self._prefixed = prefixed
        self._selector = selectors.DefaultSelector()

    @contextmanager
    def streams_of(self, name: str) -> Iterator[dict[str, int]]:
        """Give the descriptors that a container is started with.

        Args:
            name: what stands before its lines.
        """
        if not self._prefixed:
            yield {"stdin": 0, "stdout": 1, "stderr": 2}
            return
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        outputs = [os.pipe2(os.O_CLOEXEC) for _ in range(2)]
        streams = {"stdin": nothing, "stdout": outputs[0][1], "stderr": outputs[1][1]}
        for target, (reader, _) in enumerate(outputs, start=1):
            self._selector.register(reader, selectors.EVENT_READ, _Prefixed(f"{name} | ".encode(), target))
        try:
            yield streams
        finally:
            for descriptor in streams.values():
                os.close(descriptor)

    def copy(self) -> None:
        """Copy lines until the last writer has closed its end."""
        while self._selector.get_map():
            for key, _ in self._selector.select():
                chunk = os.read(key.fd, _CHUNK)
                key.data.write(chunk)
                if not chunk:
                    self._selector.unregister(key.fd)
                    os.close(key.fd)
        self._selector.close()


class _Prefixed:
    """Puts a prefix before each line, and writes whole lines."""

    def __init__(self, prefix: bytes, target: int) -> None:
        self._prefix = prefix
        self._target = target
        self._rest = b""

    def write(self, chunk: bytes) -> None:
        """Take a chunk; an empty one is the end, which ends an unfinished line too."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if self._rest and (not chunk or len(self._rest) > _LINE_LIMIT):
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            _write_all(self._target, self._prefix + line + b"\n")


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]

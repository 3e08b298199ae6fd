"""`haconiwa logs`."""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace as Options
from collections.abc import Iterable, Iterator
from itertools import groupby

from haconiwa_core.errors import HaconiwaError, RecordError
from haconiwa_core.log import Log
from haconiwa_core.runtime.store import Store
from haconiwa_runtime.commands.arguments import moment
from haconiwa_runtime.logs import Part, open_log
from haconiwa_runtime.recorded import find

HELP = "print what a container has written to its log"

_POLL = 0.05
_BATCH = 1 << 16


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the container has ended")
    parser.add_argument("--tail", type=_lines, metavar="N", help="the last N lines only")
    parser.add_argument(
        "--since",
        type=_stamp,
        metavar="TIME",
        help="what was written in the last 90s, 10m, 2h or 1d, or since a time like 2026-01-31T12:00:00Z",
    )
    parser.add_argument("-t", "--timestamps", action="store_true", help="print a line's time before it")


def main(options: Options, log: Log) -> int:
    """Copy the log to standard output and error, byte for byte; return 0."""
    store = Store()
    find(store, options.name)
    try:
        source = open_log(store.directory / options.name)
    except FileNotFoundError as error:
        raise RecordError(f"the container {options.name} has no log: its output goes elsewhere") from error
    with source:
        if not source.has_times and (options.since or options.timestamps):
            raise HaconiwaError(
                f"the log of {options.name} holds no times: only what the supervisor keeps, `haconiwa supervise`, does"
            )
        if options.tail is not None:
            source.skip_to_tail(options.tail)
        shown = _Shown(options.since or b"", options.timestamps)
        while True:
            # Asked before the copy: what was written until then is copied.
            goes_on = options.follow and _writes(store, options.name)
            for stream, pieces in groupby(shown.pieces(source.read()), key=lambda piece: piece[0]):
                _write(stream, (data for _, data in pieces))
            if not goes_on:
                break
            time.sleep(_POLL)
        if source.missed:
            log.warning(f"some of what {options.name} has written was rotated away before it could be printed")
    return 0


class _Shown:
    """Which parts are printed, and how: a line counts from when it has begun."""

    def __init__(self, since: bytes, timestamps: bool) -> None:
        self._since = since
        self._timestamps = timestamps
        self._is_shown: dict[int, bool] = {}

    def pieces(self, parts: Iterable[Part]) -> Iterator[tuple[int, bytes]]:
        """Yield what to write, and to which descriptor."""
        for part in parts:
            begins = part.stream not in self._is_shown
            if begins:
                self._is_shown[part.stream] = not part.stamp or part.stamp >= self._since
            if self._is_shown[part.stream]:
                yield part.stream, part.stamp + b" " + part.data if begins and self._timestamps else part.data
            if part.data.endswith(b"\n"):
                del self._is_shown[part.stream]


def _writes(store: Store, name: str) -> bool:
    return name in store and find(store, name).state not in ("exited", "lost")


def _write(descriptor: int, pieces: Iterable[bytes]) -> None:
    batch: list[bytes] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece)
        if size >= _BATCH:
            _write_whole(descriptor, b"".join(batch))
            batch, size = [], 0
    _write_whole(descriptor, b"".join(batch))


def _write_whole(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _lines(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ArgumentTypeError(f"{text!r} is no number of lines")
    return int(text)


def _stamp(text: str) -> bytes:
    """Return a moment as the stamp of a line has it."""
    return moment(text).strftime("%Y-%m-%dT%H:%M:%S.%f000Z").encode()

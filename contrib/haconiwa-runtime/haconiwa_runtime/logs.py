"""What a container has written to its log: one file as it came, or lines with times in files that are rotated."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from io import FileIO
from itertools import count
from pathlib import Path
from typing import NamedTuple

from haconiwa_core.errors import RecordError
from haconiwa_core.linux.host import LOG_NAME

LINES_NAME = "stream.log"

STDOUT, STDERR = 1, 2
_STREAMS = {b" stdout ": STDOUT, b" stderr ": STDERR}

_CHUNK = 1 << 16
_STAMP = len("2016-10-06T00:17:09.669794202Z")
_TAG = _STAMP + len(" stdout ")
_PREFIX = _TAG + len("F ")


class Part(NamedTuple):
    """A piece of what a container has written, in the order in which that was read.

    Attributes:
        stream: STDOUT or STDERR.
        data: a line with its end, or the beginning or middle of one; any bytes where there are no times.
        stamp: when it was read, in UTC, such as b"2016-10-06T00:17:09.669794202Z"; empty where nobody knows.
    """

    stream: int
    data: bytes
    stamp: bytes = b""


class Source(ABC):
    """A container's log, read from its beginning; a context manager that closes it.

    Attributes:
        has_times: whether its parts have stamps, and their streams are known.
        missed: whether something was removed by rotation before it could be read.
    """

    has_times: bool
    missed = False

    def __init__(self, files: list[FileIO]) -> None:
        self._files = files

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def skip_to_tail(self, lines: int) -> None:
        """Begin with the last so many lines, those of both streams counted together."""
        is_last = True
        for file in reversed(self._files):
            following = os.fstat(file.fileno()).st_size
            for begin in _lines_backwards(file, following):
                if is_last or self._ends_line(file, begin):
                    if lines == 0:
                        return self._begin_at(file, following)
                    lines -= 1
                is_last = False
                following = begin
        return None

    def _begin_at(self, file: FileIO, offset: int) -> None:
        file.seek(offset)
        while self._files[0] is not file:
            self._files.pop(0).close()

    @abstractmethod
    def read(self) -> Iterator[Part]:
        """Yield what has not been read yet, as far as it is written."""

    @abstractmethod
    def _ends_line(self, file: FileIO, begin: int, /) -> bool:
        """Return whether the line that begins there is the end of one of the container's."""


class _AsItCame(Source):
    has_times = False

    def read(self) -> Iterator[Part]:
        while chunk := self._files[0].read(_CHUNK):
            yield Part(STDOUT, chunk)

    def _ends_line(self, _file: FileIO, _begin: int, /) -> bool:
        return True


class _InLines(Source):
    """Lines of the Container Runtime Interface; the last of the files is the one that grows."""

    has_times = True

    def __init__(self, directory: Path, files: list[FileIO]) -> None:
        super().__init__(files)
        self._directory = directory
        self._rest = b""

    def read(self) -> Iterator[Part]:
        while True:
            yield from self._read(self._files[0])
            if len(self._files) == 1:
                newer, is_met = _files(self._directory, self._files[0])
                if not newer:
                    return
                self.missed |= not is_met
                self._files += newer
                # It does not grow any more, and may have grown before that was so.
                yield from self._read(self._files[0])
            self._files.pop(0).close()

    def _read(self, file: FileIO) -> Iterator[Part]:
        while chunk := file.read(_CHUNK):
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                yield _parsed(line)

    def _ends_line(self, file: FileIO, begin: int, /) -> bool:
        return os.pread(file.fileno(), 1, begin + _TAG) != b"P"


def open_log(directory: Path) -> Source:
    """Open the log of a container.

    Args:
        directory: the container's own, below the state directory.

    Raises:
        FileNotFoundError: it has none.
        RecordError: it cannot be read.
    """
    try:
        lines, _ = _files(directory, None)
        return _InLines(directory, lines) if lines else _AsItCame([_opened(directory / LOG_NAME)])
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RecordError(f"cannot read the log in {directory}: {error.strerror}") from error


def read_log(directory: Path) -> bytes:
    """Return what a container has written to its log so far, both streams in order; nothing where it has none.

    Args:
        directory: the container's own, below the state directory.

    Raises:
        RecordError: it cannot be read.
    """
    with suppress(FileNotFoundError), open_log(directory) as source:
        return b"".join(part.data for part in source.read())
    return b""


def _opened(path: Path) -> FileIO:
    return FileIO(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))


def _files(directory: Path, last: FileIO | None) -> tuple[list[FileIO], bool]:
    """Open the files that are newer than one, oldest first; tell whether that one is still there.

    They may be renamed meanwhile, each to the next number, and more than once: going with that, none is left out, some
    are met again, a newer one may be met after an older one, and for a moment one number is nobody's.
    """
    found: dict[tuple[int, int], FileIO] = {}
    wanted = None if last is None else _identity(last)
    is_missing = is_met = was_rotated = False
    with ExitStack() as undo:
        for number in count():
            try:
                file = undo.enter_context(_opened(directory / (f"{LINES_NAME}.{number}" if number else LINES_NAME)))
            except FileNotFoundError:
                if is_missing:
                    break
                is_missing = True
                continue
            is_missing = False
            identity = _identity(file)
            is_met = identity == wanted
            if is_met:
                file.close()
                break
            if met := found.pop(identity, None):
                file.close()
                was_rotated = True
            # What was opened since it was met first, under a smaller number, is newer: it comes after those.
            found[identity] = met or file
        undo.pop_all()
    oldest_first = [*found.values()][::-1]
    if was_rotated:
        # One that was removed meanwhile was not met again.
        oldest_first.sort(key=_beginning)
    return oldest_first, is_met


def _beginning(file: FileIO) -> bytes:
    """Return when the first line of a file was read; after all others for one that has none yet."""
    return os.pread(file.fileno(), _STAMP, 0) or b"~"


def _identity(file: FileIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino


def _parsed(line: bytes) -> Part:
    stamp, stream, tag, text = line[:_STAMP], line[_STAMP:_TAG], line[_TAG:_PREFIX], line[_PREFIX:]
    if stream not in _STREAMS or tag not in (b"F ", b"P "):
        # Somebody else has written here; it is shown as it is.
        return Part(STDERR, line + b"\n")
    return Part(_STREAMS[stream], text if tag == b"P " else text + b"\n", stamp)


def _lines_backwards(file: FileIO, size: int) -> Iterator[int]:
    """Yield where the lines of a file of this size begin, the last one first."""
    end = size
    while end:
        begin = max(0, end - _CHUNK)
        block = os.pread(file.fileno(), end - begin, begin)
        at = len(block)
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            if begin + at + 1 < size:
                yield begin + at + 1
        end = begin
    if size:
        yield 0

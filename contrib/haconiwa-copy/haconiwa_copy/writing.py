"""The side that writes. Nothing is opened that is there already but directories; all else is replaced."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from haconiwa_copy.content import copy_content
from haconiwa_copy.entries import Entry
from haconiwa_copy.places import Place, open_entry, reopen
from haconiwa_core.errors import HaconiwaError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY


class Keep(NamedTuple):
    """What of a file's attributes stays.

    Args:
        owners: user and group, as each side sees them; without it all belongs to who writes.
        bits: of the mode.
    """

    owners: bool
    bits: int


class _Level(NamedTuple):
    """A directory that is being written.

    Args:
        descriptor: open for reading; -1 where it could not be made, and all that belongs into it is left out.
        path: for messages.
        entry: whose attributes it gets in the end; None where it was there before.
    """

    descriptor: int
    path: str
    entry: Entry | None = None


class Writer:
    """Writes entries to a path.

    Args:
        place: where the path starts.
        path: a file is written to it, or into it where it is a directory; so is a directory, which is made if nothing
            is there.
        contents: of a directory, not the directory itself.
        keep: attributes.

    Attributes:
        lacking: what was not copied, and why.
    """

    def __init__(self, place: Place, path: str, keep: Keep, *, contents: bool) -> None:
        self._place, self._path, self._keep, self._contents = place, path, keep, contents
        self._shown = place.prefix + path
        self._levels: list[_Level] = []
        self.lacking: list[str] = []

    def write(self, entries: Iterable[Entry]) -> None:
        """Write all entries, whatever becomes of each.

        Raises:
            HaconiwaError: nothing can be written to the path.
        """
        try:
            for entry in entries:
                self._take(entry)
        finally:
            for level in self._levels:
                _close(level)

    def _take(self, entry: Entry) -> None:
        try:
            if entry.kind == "lack":
                self.lacking.append(entry.text)
            elif entry.kind == "up":
                self._leave(self._levels.pop())
            else:
                if not self._levels:
                    entry = self._begin(entry)
                self._add(entry)
        finally:
            if entry.content >= 0:
                os.close(entry.content)

    def _begin(self, entry: Entry) -> Entry:
        """Open the directory that the first entry goes into; return the entry with the name that it gets there."""
        try:
            there = self._open()
            if there is not None and stat.S_ISDIR(os.fstat(there).st_mode):
                self._levels.append(_Level(_reopened(there), self._shown))
                return entry if not self._merges(entry) else entry._replace(text=".")
            if there is not None:
                os.close(there)
                if entry.kind == "directory":
                    raise HaconiwaError(f"{self._shown}: is no directory, and a directory is to be copied to it")
            if entry.kind != "directory" and self._path.endswith("/"):
                raise HaconiwaError(f"{self._shown}: there is no such directory")
            folder, name = os.path.split(self._path.rstrip("/"))
            above = self._place.open(folder or ("/" if self._path.startswith("/") else "."), os.O_DIRECTORY)
            self._levels.append(_Level(_reopened(above), self._place.prefix + folder))
        except OSError as error:
            raise HaconiwaError(f"{self._shown}: {error.strerror}") from error
        return entry._replace(text=f"{name}\0{entry.target}")

    def _open(self) -> int | None:
        try:
            return self._place.open(self._path)
        except FileNotFoundError:
            return None

    def _merges(self, entry: Entry) -> bool:
        return entry.kind == "directory" and (self._contents or entry.name in ("", ".", "..", "/"))

    def _add(self, entry: Entry) -> None:
        above = self._levels[-1]
        path = os.path.join(above.path, entry.name)
        if above.descriptor < 0:
            if entry.kind == "directory":
                self._levels.append(_Level(-1, path))
            return
        try:
            if entry.kind == "directory":
                self._levels.append(self._entered(above, entry, path))
            elif entry.kind == "link":
                self._link(above.descriptor, entry)
            else:
                self._file(above.descriptor, entry, path)
        except OSError as error:
            self.lacking.append(f"{path}: {error.strerror}")
            if entry.kind == "directory":
                self._levels.append(_Level(-1, path))

    def _entered(self, above: _Level, entry: Entry, path: str) -> _Level:
        if entry.name == ".":
            return _Level(os.dup(above.descriptor), above.path)
        try:
            # Nobody else looks into it before it has its own mode.
            os.mkdir(entry.name, 0o700, dir_fd=above.descriptor)
        except FileExistsError:
            return _Level(open_entry(above.descriptor, entry.name, _DIRECTORY), path)
        return _Level(open_entry(above.descriptor, entry.name, _DIRECTORY), path, entry)

    def _leave(self, level: _Level) -> None:
        try:
            if level.entry:
                self._set_attributes(level.descriptor, level.entry)
        except OSError as error:
            self.lacking.append(f"{level.path}: {error.strerror}")
        finally:
            _close(level)

    def _link(self, directory: int, entry: Entry) -> None:
        name = _free_name()
        os.symlink(entry.target, name, dir_fd=directory)
        try:
            if self._keep.owners:
                os.chown(name, *entry.owner, dir_fd=directory, follow_symlinks=False)
            os.utime(name, ns=entry.times, dir_fd=directory, follow_symlinks=False)
            os.rename(name, entry.name, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError:
            _remove(name, directory)
            raise

    def _file(self, directory: int, entry: Entry, path: str) -> None:
        name = _free_name()
        file = open_entry(directory, name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            if complaint := copy_content(entry.content, file, entry.size):
                self.lacking.append(f"{path}: {complaint}")
            self._set_attributes(file, entry)
            os.rename(name, entry.name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            _remove(name, directory)
            raise
        finally:
            os.close(file)

    def _set_attributes(self, descriptor: int, entry: Entry) -> None:
        """Set owner, mode and times, in this order: a change of the owner takes bits of the mode away."""
        if self._keep.owners:
            os.fchown(descriptor, *entry.owner)
        os.fchmod(descriptor, entry.mode & self._keep.bits)
        os.utime(descriptor, ns=entry.times)


def _reopened(place: int) -> int:
    try:
        return reopen(place, _DIRECTORY)
    finally:
        os.close(place)


def _close(level: _Level) -> None:
    if level.descriptor >= 0:
        os.close(level.descriptor)


def _free_name() -> str:
    return f".haconiwa-{os.urandom(8).hex()}"


def _remove(name: str, directory: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)

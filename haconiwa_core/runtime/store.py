"""Where records are kept, and who may write them.

Each instance has a directory of its own (0700) below the state directory. Its supervisor holds
a lock on it for as long as it lives, so that nobody mistakes a starting container for a dead one.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from haconiwa_core.container import is_name
from haconiwa_core.errors import RecordError
from haconiwa_core.runtime.record import Record, decoded, encoded

FILE_NAME = "record.json"
STATE_VARIABLE = "HACONIWA_STATE"
CHANGES_NAME = "changes.json"
ASKED_NAME, KILLED_NAME = "asked", "killed"
"""Are beside the record of a container that was asked to end, and of one that was killed."""

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)
_SIZE_LIMIT = 4 << 20
_UNIQUE_ATTEMPTS = 64


class Claim:
    """A name that this process holds: the instance's directory, locked until `release`. Any thread may use it."""

    def __init__(self, directory: Path, descriptor: int) -> None:
        self.directory = directory
        self.name = directory.name
        self._descriptor = descriptor
        self._changing = Lock()

    def fileno(self) -> int:
        """Return the locked descriptor of the directory: who has a copy of it holds the name, too (flock(2))."""
        return self._descriptor

    def write(self, record: Record) -> None:
        """Replace the record in one step.

        Raises:
            RecordError: it cannot be written.
        """
        self.put(FILE_NAME, encoded(record))

    def put(self, name: str, content: bytes) -> None:
        """Replace a file of the instance's in one step; the errors are those of `write`."""
        with self._changing:
            try:
                self._replace(name, content)
            except OSError as error:
                raise RecordError(f"cannot write {self.directory / name}: {_reason(error, self.directory)}") from error

    def _replace(self, name: str, content: bytes) -> None:
        left = memoryview(content)
        new = f"{name}.new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(new, flags, 0o600, dir_fd=self._descriptor)
        try:
            while left:
                left = left[os.write(descriptor, left) :]
        finally:
            os.close(descriptor)
        os.rename(new, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def remove(self) -> None:
        """Remove the record and everything beside it; the name can be used again."""
        with self._changing:
            while not self._is_removed():
                pass
            self._release()

    def _is_removed(self) -> bool:
        # Links last: who comes after a crash finds there who has begun with it.
        for entry in sorted(os.scandir(self._descriptor), key=os.DirEntry.is_symlink):
            with suppress(FileNotFoundError):
                os.unlink(entry.name, dir_fd=self._descriptor)
        try:
            os.rmdir(self.directory)
        except OSError as error:
            # Another process has just noted a change there (`Store.change`).
            if error.errno != errno.ENOTEMPTY:
                raise
            return False
        return True

    def release(self) -> None:
        """Give up the lock; the record stays."""
        with self._changing:
            self._release()

    def _release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Store:
    """The records of one user: below /run for root, else below $XDG_RUNTIME_DIR."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or state_directory()

    def claim(self, name: str) -> Claim:
        """Make an instance's directory and lock it.

        Raises:
            RecordError: the name is taken, malformed, or the directory cannot be made.
        """
        try:
            claim = self._claim(name)
        except FileExistsError as error:
            from haconiwa_core.runtime.holder import holder_of

            raise RecordError(f"the name {name} is in use: {'; '.join(filter(None, holder_of(self, name)))}") from error
        if claim is None:
            raise RecordError(f"the name {name} was taken at the same moment")
        return claim

    def claim_unique(self, base: str) -> Claim:
        """Claim a name like `web-3f9a` for an instance of the definition `web`."""
        for _ in range(_UNIQUE_ATTEMPTS):
            with suppress(FileExistsError):
                claim = self._claim(f"{base[:120]}-{os.urandom(2).hex()}")
                if claim is not None:
                    return claim
        raise RecordError(f"no free name like {base}-XXXX; `haconiwa gc` removes records of exited containers")

    def _claim(self, name: str) -> Claim | None:
        """Make and lock a directory; None if somebody has removed or locked it in between."""
        if not is_name(name):
            raise RecordError(f"{name!r} cannot name a container")
        path = self.directory / name
        try:
            self._make_private_directory()
            os.mkdir(path, 0o700)
            descriptor = _lock(path)
        except FileExistsError:
            raise
        except OSError as error:
            raise RecordError(f"cannot make {path}: {_reason(error, path)}") from error
        return Claim(path, descriptor) if descriptor is not None else None

    def _make_private_directory(self) -> None:
        try:
            status = os.lstat(self.directory)
        except FileNotFoundError:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = os.lstat(self.directory)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise RecordError(
                f"{self.directory} must be a directory that only its owner, user {os.geteuid()}, can enter"
            )

    def take_over(self, name: str) -> Claim | None:
        """Lock an existing instance whose supervisor is gone; None if somebody has it."""
        path = self.directory / name
        try:
            descriptor = _lock(path)
        except FileNotFoundError:
            return None
        return Claim(path, descriptor) if descriptor is not None else None

    def __contains__(self, name: str) -> bool:
        """Whether there is an instance of a name, alive or not; that costs the same however many there are."""
        return is_name(name) and os.path.lexists(self.directory / name)

    def names(self) -> list[str]:
        """Return the names of all instances, alive or not."""
        try:
            return sorted(entry.name for entry in os.scandir(self.directory) if is_name(entry.name))
        except FileNotFoundError:
            return []

    def read(self, name: str) -> Record:
        """Return the record of an instance.

        Raises:
            RecordError: there is none, or it is not a record that this version understands.
        """
        path = self.directory / name / FILE_NAME
        text = read_file(path)
        if text is None:
            raise RecordError(f"there is no container named {name}")
        changes = read_file(path.with_name(CHANGES_NAME))
        try:
            return decoded(text, changes)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise RecordError(f"{path} is damaged: {error}; end what it started, and remove {path.parent}") from error

    def change(self, name: str, features: Mapping[str, Any]) -> None:
        """Note that sections of a running container have other values than at its start.

        The record itself is its supervisor's to write: what has changed lies beside it.

        Args:
            name: of the instance.
            features: the values of all sections that differ from the record's.

        Raises:
            RecordError: it cannot be written, as when the container has been forgotten.
        """
        path = self.directory / name / CHANGES_NAME
        new = path.with_suffix(".new")
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(features, file)
            os.rename(new, path)
        except OSError as error:
            raise RecordError(f"cannot write {path}: {error.strerror}") from error

    def records(self) -> Iterator[Record]:
        """Yield all records that can be read."""
        for name in self.names():
            try:
                yield self.read(name)
            except RecordError:
                continue  # Vanished between listing and reading, or damaged, which `gc` reports.


def note_asked(directory: Path, number: int = signal.SIGKILL) -> None:
    """Note that a container is sent a signal, if that asks it to end or kills it: how it ends is no riddle then.

    Args:
        directory: the instance's own.
        number: of the signal.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    # What cannot be noted keeps nobody from ending it.
    with suppress(OSError):
        if number in _ENDING:
            name = KILLED_NAME if number == signal.SIGKILL else ASKED_NAME
            os.close(os.open(directory / name, flags, 0o600))


def read_file(path: Path) -> str | None:
    """Return the text of a file of an instance's; None where there is none.

    Raises:
        RecordError: it cannot be read, or is too large.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(descriptor, encoding="utf-8") as file:
            text = file.read(_SIZE_LIMIT + 1)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"cannot read {path}: {error}") from error
    if len(text) > _SIZE_LIMIT:
        raise RecordError(f"{path} is larger than a record can be")
    return text


def state_directory() -> Path:
    """Return where records are kept: where $HACONIWA_STATE says, else below /run or $XDG_RUNTIME_DIR.

    Raises:
        RecordError: an ordinary user has no $XDG_RUNTIME_DIR, or a relative one.
    """
    if named := os.environ.get(STATE_VARIABLE):
        return Path(os.path.abspath(named))
    if os.geteuid() == 0:
        return Path("/run/haconiwa")
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if not os.path.isabs(runtime):
        raise RecordError(
            f"XDG_RUNTIME_DIR is {'not an absolute path' if runtime else 'not set'}: an ordinary user's containers keep"
            f" their records there; log in with a session, or: export XDG_RUNTIME_DIR=/run/user/{os.geteuid()}"
        )
    return Path(runtime) / "haconiwa"


def _reason(error: OSError, path: Path) -> str:
    """Return why a path could not be written, with what is full if that is why."""
    from haconiwa_core.runtime.cause import explained_path

    cause, remedy = explained_path(str(path), error.errno or 0)
    return "; ".join(filter(None, (": ".join(filter(None, (error.strerror, cause))), remedy)))


def _lock(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its former owner may have removed it, and somebody else made it anew, before it was locked.
        if os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass  # Somebody has it, or it has gone.
    os.close(descriptor)
    return None

"""Programs of the host that serve one instance, such as its network: they end with it, whatever happens meanwhile."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from haconiwa_core.linux.host import kill_process, open_process, start_time

# It stays the same process, so that what is noted of it holds; without a go it ends, for nobody would know of it.
_SHELL = "/bin/sh"
_SCRIPT = 'cd -- "$1" && shift && read -r go && exec "$@" </dev/null'
_GO = b"go\n"

_SECONDS = 10


def start_own_process(arguments: Sequence[str], name: str, directory: str) -> int:
    """Start a program that is an instance's; `end_own_process` is the undo.

    It leads a session of its own, has the instance's directory as its working directory, no environment but PATH, and
    none of this process's descriptors: it reads nothing, and writes to `own_process_log`.

    Args:
        arguments: the program, found on PATH, and its arguments.
        name: of the note that is made for it, without "/": each of the instance's programs has one of its own.
        directory: the instance's own.

    Returns:
        Its descriptor (pidfd_open(2)). A program that cannot be executed has ended, and its log says why.
    """
    log = own_process_log(name, directory)
    reading, writing = os.pipe()
    try:
        pid = os.posix_spawn(
            _SHELL,
            [_SHELL, "-c", _SCRIPT, _SHELL, directory, *arguments],
            {"PATH": os.environ.get("PATH", os.defpath)},
            file_actions=[
                *((os.POSIX_SPAWN_CLOSE, number) for number in _inherited()),
                (os.POSIX_SPAWN_DUP2, reading, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
        )
        _note(name, directory).write_text(f"{pid} {start_time(pid)}", encoding="ascii")
        # It may have ended, or this process may be the last to hold the reading end.
        os.write(writing, _GO)
    finally:
        os.close(reading)
        os.close(writing)
    return os.pidfd_open(pid)


def end_own_process(name: str, directory: str) -> None:
    """Kill the program that `start_own_process` has started for an instance, and wait until it has ended.

    Nothing happens if it has started none, or that has ended.

    Args:
        name: as that of `start_own_process`.
        directory: the instance's own.

    Raises:
        TimeoutError: it does not end within 10 seconds.
    """
    note = _note(name, directory)
    # A crash while it was noted leaves the note empty; the program has had no go then.
    noted = note.read_text(encoding="ascii").split() if note.exists() else []
    if noted:
        _end(*map(int, noted))
    note.unlink(missing_ok=True)


def own_process_log(name: str, directory: str) -> Path:
    """Return the file to which the program of a name writes."""
    return Path(directory, f"{name}.log")


def _end(pid: int, started: int) -> None:
    try:
        descriptor = open_process(pid, started)
    except ProcessLookupError:
        return
    try:
        kill_process(pid, started)
        if not select.select([descriptor], [], [], _SECONDS)[0]:
            raise TimeoutError(f"process {pid} does not end within {_SECONDS} s")
        # It is this process's child only if no other one has started it.
        with suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, descriptor, os.WEXITED)
    finally:
        os.close(descriptor)


def _inherited() -> Iterator[int]:
    """Yield the descriptors above 2 that a program would inherit; a host program may have opened some so."""
    for number in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):  # That of the listing itself is closed again.
            if number > 2 and os.get_inheritable(number):
                yield number


def _note(name: str, directory: str) -> Path:
    """Return the file that says which process an instance has started."""
    return Path(directory, f"process-{name}")

"""The process itself: session, descriptors, signals, identity, limits, exec."""

from __future__ import annotations

import errno
import os
import signal
import struct

from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.vocabulary import Operations, lowers
from haconiwa_core.operation import Buffer, Data, Operation, Slot

_UNCATCHABLE = (signal.SIGKILL, signal.SIGSTOP)
_SIGNAL_SET_SIZE = 8
_DEFAULT_ACTION = bytes(32)
_PATH_MAX = 4096
_FILE = Slot("file")


@lowers
def set_dumpable(dumpable: bool) -> Operations:
    """Allow or forbid others to look into the process through /proc (PR_SET_DUMPABLE in prctl(2))."""
    yield Operation(Call.prctl, (c.PR_SET_DUMPABLE, int(dumpable), 0, 0, 0))


@lowers
def clear_ambient_set() -> Operations:
    """Give up the capabilities that the caller would pass on to any program (PR_CAP_AMBIENT_CLEAR_ALL in prctl(2))."""
    yield Operation(Call.prctl, (c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))


@lowers
def new_session() -> Operations:
    """Lead a new session without a controlling terminal (setsid(2))."""
    yield Operation(Call.setsid)


@lowers
def new_session_keyring() -> Operations:
    """Join a new, anonymous session keyring (KEYCTL_JOIN_SESSION_KEYRING in keyctl(2))."""
    yield Operation(Call.keyctl, (c.KEYCTL_JOIN_SESSION_KEYRING, 0))


@lowers
def install_stream(source: Slot, number: int) -> Operations:
    """Make an open descriptor standard input (0), output (1) or error (2) (dup3(2))."""
    yield Operation(Call.dup3, (source, number, 0))


@lowers
def open_file(path: str, flags: int, mode: int, *, into: Slot) -> Operations:
    """Open a file by its path as the process sees it (open(2), always O_CLOEXEC)."""
    arguments = (c.AT_FDCWD, _string(path), flags | os.O_CLOEXEC, mode)
    yield Operation(Call.openat, arguments, result=into)


@lowers
def open_file_inside(path: str, flags: int, mode: int, *, into: Slot) -> Operations:
    """Open a file of the container, whose root is the process's already (openat2(2), always O_CLOEXEC).

    Links of proc are refused with ELOOP: they lead to whatever the start has open.
    """
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, mode, c.RESOLVE_NO_MAGICLINKS)
    yield Operation(Call.openat2, (c.AT_FDCWD, _string(path), how, len(how)), result=into)


@lowers
def write_kernel_file(path: str, content: str) -> Operations:
    """Write a file of procfs, sysfs or cgroupfs in one write(2); a short write fails.

    Args:
        path: absolute path, of a file system that the container does not control.
        content: what is written, as it is.
    """
    raw = content.encode()
    yield Operation(Call.openat, (c.AT_FDCWD, _string(path), os.O_WRONLY | os.O_CLOEXEC, 0), result=_FILE)
    yield Operation(Call.write, (_FILE, raw, len(raw)), returns=len(raw))
    yield Operation(Call.close, (_FILE,))


@lowers
def reset_signals() -> Operations:
    """Give every signal its default disposition and block none (rt_sigaction(2), rt_sigprocmask(2))."""
    for number in range(1, c.SIGNALS + 1):
        if number not in _UNCATCHABLE:
            yield Operation(Call.rt_sigaction, (number, _DEFAULT_ACTION, 0, _SIGNAL_SET_SIZE))
    yield Operation(Call.rt_sigprocmask, (c.SIG_SETMASK, bytes(_SIGNAL_SET_SIZE), 0, _SIGNAL_SET_SIZE))


@lowers
def close_descriptors_on_exec() -> Operations:
    """Mark every descriptor above 2 close-on-exec (close_range(2))."""
    yield Operation(Call.close_range, (3, c.ALL_DESCRIPTORS, c.CLOSE_RANGE_CLOEXEC))


@lowers
def set_file_mode_mask(mask: int) -> Operations:
    """Set the file mode creation mask (umask(2)).

    Args:
        mask: 0 to 0o777.
    """
    yield Operation(Call.umask, (mask,))


@lowers
def change_directory(path: str) -> Operations:
    """Change the working directory and check that it lies below the root (chdir(2), getcwd(2)).

    A directory outside the root, reached through a leaked descriptor, reads back as
    "(unreachable)" and fails.
    """
    yield Operation(Call.chdir, (_string(path),))
    yield Operation(Call.getcwd, (Buffer(_PATH_MAX, ((0, b"/"),)), _PATH_MAX))


@lowers
def set_groups(groups: tuple[int, ...]) -> Operations:
    """Set the supplementary groups and read them back (setgroups(2), getgroups(2))."""
    packed = struct.pack(f"{len(groups)}I", *sorted(groups))
    yield Operation(Call.setgroups, (len(groups), packed or 0))
    output = Buffer(len(packed), ((0, packed),)) if groups else 0
    yield Operation(Call.getgroups, (len(groups), output), returns=len(groups))


@lowers
def set_gid(gid: int) -> Operations:
    """Set the real, effective and saved group and read them back (setresgid(2))."""
    yield Operation(Call.setresgid, (gid, gid, gid))
    yield Operation(Call.getresgid, _three_ids(gid))


@lowers
def set_uid(uid: int) -> Operations:
    """Set the real, effective and saved user and read them back (setresuid(2))."""
    yield Operation(Call.setresuid, (uid, uid, uid))
    yield Operation(Call.getresuid, _three_ids(uid))


@lowers
def set_limit(resource: int, soft: int, hard: int) -> Operations:
    """Set a resource limit of the process and read it back (prlimit(2)).

    Args:
        resource: the RLIMIT_* number.
        soft: in the resource's unit, or RLIM_INFINITY.
        hard: not below `soft`; raising it needs CAP_SYS_RESOURCE.
    """
    limits = struct.pack("QQ", soft, hard)
    yield Operation(Call.prlimit64, (0, resource, limits, 0))
    yield Operation(Call.prlimit64, (0, resource, 0, Buffer(len(limits), ((0, limits),))))


@lowers
def execute(candidates: tuple[str, ...], arguments: tuple[str, ...], environment: tuple[str, ...]) -> Operations:
    """Replace the process by a program (execve(2)).

    Args:
        candidates: paths that are tried in order; the next one only where one does not exist.
        arguments: argv, the program's name first.
        environment: "NAME=value" strings, the whole environment.
    """
    argv, envp = _pointers(arguments), _pointers(environment)
    for path in candidates[:-1]:
        yield Operation(Call.execve, (_string(path), argv, envp), accept=(errno.ENOENT, errno.ENOTDIR))
    yield Operation(Call.execve, (_string(candidates[-1]), argv, envp))


@lowers
def execute_open_file(program: Slot, arguments: tuple[str, ...], environment: tuple[str, ...]) -> Operations:
    """Replace the process by a program that is open, whatever the root is (execveat(2), AT_EMPTY_PATH).

    Args:
        program: descriptor of the file, which is no script.
        arguments: argv, the program's name first.
        environment: "NAME=value" strings, the whole environment.
    """
    argv, envp = _pointers(arguments), _pointers(environment)
    yield Operation(Call.execveat, (program, b"\0", argv, envp, c.AT_EMPTY_PATH))


def _string(text: str) -> bytes:
    return os.fsencode(text) + b"\0"


def _pointers(strings: tuple[str, ...]) -> Data:
    relocations = tuple((8 * index, _string(text)) for index, text in enumerate(strings))
    return Data(bytes(8 * (len(strings) + 1)), relocations)


def _three_ids(value: int) -> tuple[Buffer, Buffer, Buffer]:
    packed = struct.pack("I", value)
    output = Buffer(len(packed), ((0, packed),))
    return output, output, output

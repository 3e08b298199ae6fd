"""What runs in the supervising process: functions that act when they are called."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import struct
from contextlib import suppress
from pathlib import Path

from haconiwa_core.launch.interpreter import linux_kernel
from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call

LOG_NAME = "log"

_NUMBER_SIZE = 32
_STAT_SIZE = 4096


def duplicate(descriptor: int) -> int:
    """Return a close-on-exec copy of a descriptor, above 2 (F_DUPFD_CLOEXEC in fcntl(2))."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)


def open_log(directory: str, kept: int) -> int:
    """Open the log of an instance for appending.

    Args:
        directory: the instance's own, below the state directory.
        kept: descriptor of a pipe to the process that keeps its log; -1 where its processes write the file.
    """
    if kept >= 0:
        return duplicate(kept)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(os.path.join(directory, LOG_NAME), flags, 0o600)


def set_oom_score_adj(pid: int, score: int) -> None:
    """Set how likely the kernel is to kill a process when memory runs out, and read it back (proc(5)).

    Args:
        pid: a child that waits.
        score: -1000 to 1000; lowering it may need CAP_SYS_RESOURCE.
    """
    _write_verified(f"/proc/{pid}/oom_score_adj", str(score))


def write_id_maps(pid: int, users: str, groups: str, deny_setgroups: bool) -> None:
    """Map the ids of a child's new user namespace (user_namespaces(7)).

    Args:
        pid: a child that waits.
        users: lines of "inside outside count".
        groups: the same.
        deny_setgroups: forbid setgroups(2), as the kernel demands of an ordinary user.
    """
    if deny_setgroups:
        _write(f"/proc/{pid}/setgroups", "deny")
    _write(f"/proc/{pid}/uid_map", users)
    _write(f"/proc/{pid}/gid_map", groups)


def open_namespace(path: str) -> int:
    """Open a namespace, to be joined (namespaces(7)).

    Args:
        path: of a kept handle, or in /proc/PID/ns.
    """
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def open_process(pid: int, started: int) -> int:
    """Open a process (pidfd_open(2)).

    Args:
        pid: of the process.
        started: its start time, as `start_time` gives it.

    Raises:
        ProcessLookupError: it has ended; its pid may have come to mean another one.
    """
    descriptor = os.pidfd_open(pid)
    if start_time(pid) != started:
        os.close(descriptor)
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    return descriptor


def open_root(pid: int, started: int) -> int:
    """Open the root directory of a process (proc(5)).

    Args:
        pid: of the process.
        started: its start time, as `start_time` gives it.

    Raises:
        ProcessLookupError: it has ended.
    """
    descriptor = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    # It was opened while the pid still meant the process, or it is refused.
    if start_time(pid) != started:
        os.close(descriptor)
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    return descriptor


def bind_handle(pid: int, kind: str, path: str, directory: str) -> None:
    """Keep a child's namespace on a path, so that it outlives its processes (mount(2), MS_BIND).

    Args:
        pid: a child that waits in the namespace.
        kind: the file in /proc/PID/ns.
        path: nothing may be there.
        directory: the instance's own, in which it is noted that the path is this instance's.

    Raises:
        OSError: EEXIST where something is on the path, EINVAL for a mount namespace whose path does not
            lie on a private mount.
    """
    target = _create_noted(path, handle_note(kind, directory))
    try:
        flags = c.OPEN_TREE_CLONE | c.OPEN_TREE_CLOEXEC
        tree = system_call(Call.open_tree, c.AT_FDCWD, f"/proc/{pid}/ns/{kind}", flags)
        try:
            system_call(Call.move_mount, tree, "", target, "", c.MOVE_MOUNT_F_EMPTY_PATH | c.MOVE_MOUNT_T_EMPTY_PATH)
        finally:
            os.close(tree)
    finally:
        os.close(target)


def create_own_file(path: str, data: bytes, name: str, directory: str) -> None:
    """Make a file of the host that is an instance's; `remove_own_file` is the undo (open(2), O_EXCL).

    Args:
        path: absolute; nothing may be there.
        data: what is in it.
        name: of the note that is made for it, without "/": each of the instance's files has one of its own.
        directory: the instance's own, in which it is noted that the path is this instance's.

    Raises:
        OSError: EEXIST where something is on the path.
    """
    with open(_create_noted(path, file_note(name, directory)), "wb") as file:
        file.write(data)


def handle_note(kind: str, directory: str) -> Path:
    """Return the file whose presence says that an instance has made the handle of a kind."""
    return Path(directory, f"kept-{kind}")


def file_note(name: str, directory: str) -> Path:
    """Return the file whose presence says that an instance has made a file of the host."""
    return Path(directory, f"made-{name}")


def _create_noted(path: str, note: Path) -> int:
    try:
        # Noted first, so that a crash leaves nothing that nobody knows; but never for what is another's.
        if not os.path.lexists(path):
            note.touch(0o600)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        note.unlink(missing_ok=True)
        raise


def open_in_root(root: str, path: str) -> int:
    """Open a file below a directory of the host, never leaving it (openat2(2), RESOLVE_IN_ROOT).

    Args:
        root: the directory.
        path: absolute path below it.
    """
    directory = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        how = struct.pack("QQQ", flags, 0, c.RESOLVE_IN_ROOT | c.RESOLVE_NO_MAGICLINKS)
        return system_call(Call.openat2, directory, path, how, len(how))
    finally:
        os.close(directory)


def start_time(pid: int) -> int:
    """Return when a process was started, in clock ticks since boot (proc(5)); 0 if there is none.

    Together with the pid it names a process for as long as the host is up.
    """
    return _parent_and_start(pid)[1]


def monotonic_offset(pid: int) -> int:
    """Return by how much a process's monotonic clock is ahead of the host's (time_namespaces(7)).

    Returns:
        Nanoseconds; 0 when the process has ended.
    """
    try:
        with open(f"/proc/{pid}/timens_offsets", encoding="ascii") as file:
            offsets = {clock: 10**9 * int(seconds) + int(rest) for clock, seconds, rest in map(str.split, file)}
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return offsets.get("monotonic", 0)


def descendants(pid: int) -> list[tuple[int, int]]:
    """Return pid and start time of each process below one, as one look over /proc finds them (proc(5))."""
    processes = {int(name): _parent_and_start(int(name)) for name in os.listdir("/proc") if name.isdigit()}
    below = [pid]
    for ancestor in below:
        below += [child for child, (parent, _) in processes.items() if parent == ancestor]
    return [(child, processes[child][1]) for child in below[1:]]


def zombie_status(pid: int) -> int | None:
    """Return the wait status of a process that has ended and was not reaped (exit_code in proc_pid_stat(5)).

    Returns:
        None if the process is none of these, or this one may not know.
    """
    try:
        # Who may not read this either is told 0 as the status of any process.
        with open(f"/proc/{pid}/io", "rb") as allowed, open(f"/proc/{pid}/stat", "rb") as file:
            allowed.read()
            state, *fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    return int(fields[48]) if state == b"Z" else None


def is_init(pid: int) -> bool:
    """Return whether a process is the first one of a pid namespace below this one's (NSpid in proc_pid_status(5))."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            inside = next(line.split()[2:] for line in file if line.startswith("NSpid:"))
    except (FileNotFoundError, ProcessLookupError):
        return False
    return inside[-1:] == ["1"]


def resource_limits(text: str) -> tuple[tuple[int, int], ...]:
    """Return the limits that a file /proc/PID/limits tells, by the resource's number (proc_pid_limits(5)).

    Returns:
        Soft and hard limit of each, in the resource's own unit; -1 is none.
    """
    _, *lines = text.splitlines()
    # In columns, for names and units have blanks in them.
    values = ((line[26:47].strip(), line[47:68].strip()) for line in lines)
    return tuple((int(soft.replace("unlimited", "-1")), int(hard.replace("unlimited", "-1"))) for soft, hard in values)


def adopt_orphans(adopt: bool) -> None:
    """Become, or stop being, the parent of descendants whose own parent ends (PR_SET_CHILD_SUBREAPER in prctl(2))."""
    system_call(Call.prctl, c.PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0)


def children() -> list[int]:
    """Return the pids of this process's children, ended ones among them (proc(5))."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # A thread that has ended meanwhile.
            found += map(int, (task / "children").read_text().split())
    return found


def kill_process(pid: int, started: int) -> None:
    """Kill a process and its process group, if the pid still means the process that was meant.

    Args:
        pid: a session leader.
        started: its start time, as `start_time` gives it.
    """
    try:
        descriptor = open_process(pid, started)
    except ProcessLookupError:
        return
    try:
        # A process that has not come as far as its own session is reached by its descriptor.
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)


def _parent_and_start(pid: int) -> tuple[int, int]:
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            text = os.read(descriptor, _STAT_SIZE).decode("ascii", "replace")
        finally:
            os.close(descriptor)
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    # The name stands in parentheses and may hold any byte.
    fields = text.rpartition(")")[2].split()
    return int(fields[1]), int(fields[19])


def _write(path: str, content: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, content.encode())
    finally:
        os.close(descriptor)


def _write_verified(path: str, content: str) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.write(descriptor, content.encode())
        found = os.pread(descriptor, _NUMBER_SIZE, 0).decode().strip()
    finally:
        os.close(descriptor)
    if found != content:
        raise OSError(errno.EINVAL, f"{path} reads back as {found!r}")


KERNEL = linux_kernel()
"""The running kernel."""


def system_call(call: Call, *arguments: int | str | bytes) -> int:
    """Make one system call and return its result; texts are passed as paths.

    Raises:
        OSError: the kernel refuses.
    """
    held = [os.fsencode(argument) + b"\0" if isinstance(argument, str) else argument for argument in arguments]
    buffers = [ctypes.create_string_buffer(item, len(item)) if isinstance(item, bytes) else item for item in held]
    numbers = [item if isinstance(item, int) else ctypes.addressof(item) for item in buffers]
    result = KERNEL(call, *numbers, *[0] * (6 - len(numbers)))
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result

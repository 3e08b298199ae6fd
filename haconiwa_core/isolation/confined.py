"""A look at a live process through its directory in /proc (proc(5))."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Mapping
from functools import cached_property
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.host import resource_limits, start_time, system_call

if TYPE_CHECKING:
    from haconiwa_core.runtime.record import Process

T = TypeVar("T")

_ENDED = ("Z", "X")
"""States of a process that nobody has reaped yet."""


class MountPoint(NamedTuple):
    """A line of /proc/PID/mountinfo (proc_pid_mountinfo(5)).

    Args:
        number: of the mount.
        target: where, seen from the process's root.
        options: of the mount, such as "ro" and "nosuid".
        propagation: "shared:1", "master:2"; none of a private mount.
        kind: the file system's type.
    """

    number: int
    target: str
    options: frozenset[str]
    propagation: tuple[str, ...]
    kind: str


class Found(NamedTuple):
    """What a process sees at a path.

    Args:
        status: of the file, as stat(2) gives it.
        mount: on which it lies; None where that cannot be said.
        is_target: it is where that is mounted.
    """

    status: os.stat_result
    mount: MountPoint | None
    is_target: bool


class Confined:
    """One look at a live process through its directory in /proc, which never comes to mean another one (proc(5)).

    A context manager. Whatever it is asked raises ProcessLookupError when the process has ended, and
    PermissionError where the caller may not look.

    Args:
        process: what is looked at.
        host: the process whose values are the host's: who has started it; by default this one.
        waits: it is set up, and waits to execute its command.

    Raises:
        ProcessLookupError: it has ended.
    """

    def __init__(self, process: Process, host: Process | None = None, *, waits: bool = False) -> None:
        self.pid = process.pid
        self.waits = waits
        try:
            self._folder = os.open(f"/proc/{process.pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise ProcessLookupError(f"process {process.pid} has ended") from None
        self._host = host
        # It was opened while the pid still meant the process, or it is refused.
        if start_time(process.pid) != process.started:
            self.close()
            raise ProcessLookupError(f"process {process.pid} has ended")

    def __enter__(self) -> Confined:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what it has opened."""
        os.close(self._folder)
        if "host" in self.__dict__:
            self.host.close()

    @cached_property
    def host(self) -> Confined:
        """The process whose values are the host's."""
        from haconiwa_core.runtime.record import Process

        return Confined(self._host or Process.of_this())

    def check(self) -> None:
        """Raise ProcessLookupError if it has ended: what was read by its pid may be another's."""
        try:
            ended = self.stat[0] in _ENDED
        except FileNotFoundError:
            ended = True
        if ended:
            raise ProcessLookupError(f"process {self.pid} has ended")

    @property
    def stat(self) -> list[str]:
        """The fields of its stat from its state on: the fourth is its session (proc_pid_stat(5))."""
        return self.read("stat").rpartition(")")[2].split()

    def read(self, name: str) -> str:
        """Return what a file of its directory tells.

        Args:
            name: such as "status" or "attr/current".
        """
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._folder)
        with open(descriptor, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()

    def namespace(self, kind: str) -> str:
        """Return the identity of a namespace that it is in, such as "pid:[4026531836]" (namespaces(7)).

        Args:
            kind: the file in /proc/PID/ns.
        """
        return os.readlink(f"ns/{kind}", dir_fd=self._folder)

    @cached_property
    def status(self) -> Mapping[str, str]:
        """The fields of its status, by name: "CapEff", "Seccomp_filters" (proc_pid_status(5))."""
        lines = (line.partition(":") for line in self.read("status").splitlines())
        fields = {name: value.strip() for name, _, value in lines}
        # One that has ended, and is not reaped yet, has fewer of them.
        if fields["State"][0] in _ENDED:
            raise ProcessLookupError(f"process {self.pid} has ended")
        return fields

    @cached_property
    def limits(self) -> tuple[tuple[int, int], ...]:
        """Its resource limits, soft and hard, by the resource's number; -1 is none (proc_pid_limits(5))."""
        return resource_limits(self.read("limits"))

    def file(self, name: str) -> os.stat_result:
        """Return the status of what a link of its directory leads to: "exe", "root"."""
        return os.stat(name, dir_fd=self._folder)

    @cached_property
    def mounts(self) -> tuple[MountPoint, ...]:
        """What is mounted below its root, in the order of mounting."""
        return tuple(map(_mount_point, self.read("mountinfo").splitlines()))

    def open(self, path: str) -> int:
        """Open what it sees at a path, as a place alone: nothing can be read from it (openat2(2), O_PATH).

        Args:
            path: absolute; no symbolic link leads out of its root.

        Returns:
            A descriptor, which the caller closes.

        Raises:
            FileNotFoundError: there is nothing.
        """
        root = os.open("root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._folder)
        try:
            how = struct.pack("QQQ", os.O_PATH | os.O_CLOEXEC, 0, c.RESOLVE_IN_ROOT | c.RESOLVE_NO_MAGICLINKS)
            return system_call(Call.openat2, root, path, how, len(how))
        finally:
            os.close(root)

    def found(self, path: str) -> Found:
        """Return what it sees at a path; the arguments and errors are those of `open`."""
        descriptor = self.open(path)
        try:
            with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:
                number = next(int(line.split()[1]) for line in file if line.startswith("mnt_id:"))
            place = os.readlink(f"/proc/self/fd/{descriptor}")
            mount = next((each for each in self.mounts if each.number == number), None)
            return Found(os.fstat(descriptor), mount, mount is not None and mount.target == place)
        finally:
            os.close(descriptor)

    def inside(self, read: Callable[[], T], kind: str, flag: int) -> T:
        """Return what a function reads in a namespace that the process is in: its host name, its network (setns(2)).

        A thread joins the namespace and ends with it; the caller stays where it is.

        Args:
            read: called in that thread.
            kind: the file in /proc/PID/ns; "net", "uts" or "ipc".
            flag: its CLONE_NEW* bit.
        """
        answers: list[T] = []
        errors: list[OSError] = []
        descriptor = os.open(f"ns/{kind}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._folder)

        def joined() -> None:
            try:
                system_call(Call.setns, descriptor, flag)
                answers.append(read())
            except OSError as error:
                errors.append(error)

        try:
            thread = Thread(target=joined, name="haconiwa-inside")
            thread.start()
            thread.join()
        finally:
            os.close(descriptor)
        if errors:
            raise errors[0]
        return answers[0]


def _mount_point(line: str) -> MountPoint:
    before, _, after = line.partition(" - ")
    number, _, _, _, target, options, *propagation = before.split(" ")
    # Blanks and backslashes are written as octal numbers.
    path = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), target)
    return MountPoint(int(number), path, frozenset(options.split(",")), tuple(propagation), after.split(" ")[0])

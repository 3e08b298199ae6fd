"""A model of the kernel that runs whole programs without root and refuses what the kernel refuses.

It keeps only what the vocabulary of `haconiwa_core.linux` can change. Each refusal has a twin in
the tests that runs the same calls on the real kernel.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from enum import IntEnum

from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.testing.fake.files import refuse
from haconiwa_core.testing.fake.filters import FilterCalls
from haconiwa_core.testing.fake.labels import shown_as
from haconiwa_core.testing.fake.landlock import LandlockCalls
from haconiwa_core.testing.fake.mounts import FileCalls
from haconiwa_core.testing.fake.privileges import PrivilegeCalls
from haconiwa_core.testing.fake.scheduling import SchedulingCalls
from haconiwa_core.testing.fake.state import HOST, Descriptor, write_at
from haconiwa_core.testing.fake.terminals import TerminalCalls

KINDS = {
    c.CLONE_NEWTIME: "time",
    c.CLONE_NEWNS: "mnt",
    c.CLONE_NEWCGROUP: "cgroup",
    c.CLONE_NEWUTS: "uts",
    c.CLONE_NEWIPC: "ipc",
    c.CLONE_NEWUSER: "user",
    c.CLONE_NEWPID: "pid",
    c.CLONE_NEWNET: "net",
}
_NEVER_REFUSED = (Call.keyctl, Call.rt_sigaction, Call.rt_sigprocmask)
_HOST_NAME, _DOMAIN_NAME = 1, 5
_OVERFLOW_ID = 65534
_RESOURCES = 16


class FakeKernel(FileCalls, PrivilegeCalls, FilterCalls, LandlockCalls, SchedulingCalls, TerminalCalls):
    """Called like what `haconiwa_core.launch.interpreter.linux_kernel` returns.

    A call is run by the method of its name after an underscore; a plugin whose calls are not among
    them adds such methods in a class of its own.
    """

    def __call__(self, number: int, *arguments: int) -> int:
        """Run one system call; return its result, or the negative errno."""
        result = -self.failures.get(len(self.results) + 1, 0) or self._run(number, arguments)
        self.results.append(result)
        return result

    def fail(self, call: int, code: int = errno.EIO) -> None:
        """Let a call fail; it is not made.

        Args:
            call: which, counted from 1 since the kernel was made; the host's steps are counted as well.
            code: errno.
        """
        self.failures[call] = code

    def _run(self, number: int, arguments: tuple[int, ...]) -> int:
        call = number if isinstance(number, IntEnum) else Call(number)
        handler = getattr(self, f"_{call.name}", None)
        if handler is None:
            return 0 if call in _NEVER_REFUSED else -errno.ENOSYS
        try:
            result: int | None = handler(*arguments[: handler.__code__.co_argcount - 1])
        except OSError as error:
            return -(error.errno or errno.EIO)
        return result or 0

    def _clone3(self, arguments: int, _size: int) -> None:
        flags, pidfd = struct.unpack("QQ", ctypes.string_at(arguments, 16))
        self._enter_new(flags)
        write_at(pidfd, struct.pack("i", self.open("pidfd")))
        self.leads_session = False

    def _clock_gettime(self, _clock: int, output: int) -> None:
        self.time += 1
        write_at(output, struct.pack("qq", self.time, 0))

    def _close(self, descriptor: int) -> None:
        self.descriptor(descriptor)
        del self.descriptors[descriptor]

    def _close_range(self, first: int, last: int, _flags: int) -> None:
        for number, descriptor in self.descriptors.items():
            descriptor.close_on_exec |= first <= number <= last

    def _dup3(self, old: int, new: int, _flags: int) -> int:
        source = self.descriptor(old)
        self.descriptors[new] = Descriptor(source.kind, source.place, source.owner, close_on_exec=False)
        return new

    def _getgroups(self, _size: int, output: int) -> int:
        if output:
            write_at(output, struct.pack(f"{len(self.groups)}I", *self.groups))
        return len(self.groups)

    def _ioctl(self, descriptor: int, request: int, argument: int) -> int | None:
        self.descriptor(descriptor)
        if request in (c.TIOCSPTLCK, c.TIOCGPTPEER, c.TIOCSCTTY):
            return self.of_terminal(descriptor, request, argument)
        name = ctypes.string_at(argument, c.IFNAMSIZ).rstrip(b"\0").decode()
        if name != "lo":
            refuse(errno.ENODEV)
        if request == c.SIOCSIFFLAGS:
            self.need_rights("net")
            self.links_up.add(name)
        up = c.IFF_UP | c.IFF_RUNNING if name in self.links_up else 0
        write_at(argument + c.IFNAMSIZ, struct.pack("H", c.IFF_LOOPBACK | up))
        return None

    def _pread64(self, descriptor: int, output: int, size: int) -> int:
        place = self.descriptor(descriptor).place or refuse(errno.ESPIPE)
        # Procfs ends with a newline what was written without one.
        content = (self.written.get(self.path_of(place), "") + "\n").encode()[:size]
        write_at(output, content)
        return len(content)

    def _prlimit64(self, _pid: int, resource: int, new: int, old: int) -> None:
        if resource >= _RESOURCES:
            refuse(errno.EINVAL)
        current = self.limits.get(resource, (c.RLIM_INFINITY, c.RLIM_INFINITY))
        if new:
            soft, hard = struct.unpack("QQ", ctypes.string_at(new, 16))
            if soft > hard:
                refuse(errno.EINVAL)
            if hard > current[1] and (not self.capable or self.namespaces["user"] != HOST):
                refuse(errno.EPERM)
            self.limits[resource] = (soft, hard)
        if old:
            write_at(old, struct.pack("QQ", *current))

    def _read(self, descriptor: int) -> int:
        # Whoever is asked by another way than the channel answers at once.
        return int(self.descriptor(descriptor).kind != "channel" or self.gate())

    def _setgroups(self, size: int, groups: int) -> None:
        self.need_rights()
        if not self.may_set_groups or not self.ids_mapped:
            refuse(errno.EPERM)
        self.groups = struct.unpack(f"{size}I", ctypes.string_at(groups, 4 * size)) if size else ()

    def _setns(self, descriptor: int, flags: int) -> None:
        found = self.descriptor(descriptor)
        kind, _, name = found.kind.partition(" ")
        if kind == "path":
            refuse(errno.EBADF)
        if kind != "namespace" or name != KINDS.get(c.CloneFlag(flags), name):
            refuse(errno.EINVAL)
        if name == "user":
            self.enter_user_namespace(found.owner)
            return
        if not self.capable or self.namespaces["user"] not in (HOST, found.owner):
            refuse(errno.EPERM)
        self.namespaces[name] = found.owner

    def _setsid(self) -> int:
        if self.leads_session:
            refuse(errno.EPERM)
        self.leads_session, self.has_terminal = True, False
        return 1

    def _socket(self, _family: int) -> int:
        return self.open("socket")

    def _umask(self, mask: int) -> int:
        former, self.mask = self.mask, mask
        return former

    def _uname(self, output: int) -> None:
        for index, name in self.names.items():
            write_at(output + index * c.UTSNAME_FIELD, name.encode() + b"\0")

    def _write(self, descriptor: int, content: int, size: int) -> int:
        found = self.descriptor(descriptor)
        raw = ctypes.string_at(content, size)
        if found.place:
            path = self.path_of(found.place)
            self.written[path] = shown_as(path, raw.decode())
        elif found.kind == "channel":
            self.reports.append(struct.unpack_from("ii", raw)[0])
        return size

    def _setresgid(self, real: int) -> None:
        self.gid = self._id(self.gid, real)

    def _setresuid(self, real: int) -> None:
        former, self.uid = self.uid, self._id(self.uid, real)
        self.change_capabilities_with_user(former)

    def _getresgid(self, real: int, effective: int, saved: int) -> None:
        self._show_ids(self.gid, (real, effective, saved))

    def _getresuid(self, real: int, effective: int, saved: int) -> None:
        self._show_ids(self.uid, (real, effective, saved))

    def _sethostname(self, text: int, length: int) -> None:
        self._set_name(_HOST_NAME, text, length)

    def _setdomainname(self, text: int, length: int) -> None:
        self._set_name(_DOMAIN_NAME, text, length)

    def _unshare(self, flags: int) -> None:
        self._enter_new(flags)

    def _enter_new(self, flags: int) -> None:
        kinds = [kind for flag, kind in KINDS.items() if flags & flag]
        if "user" in kinds:
            self.enter_user_namespace("new")
            self.ids_mapped = False
            self.uid = self.gid = _OVERFLOW_ID
        elif kinds and not self.capable:
            refuse(errno.EPERM)
        self.namespaces.update({kind: self.namespaces["user"] for kind in kinds if kind != "user"})

    def _id(self, current: int, wanted: int) -> int:
        if not self.ids_mapped:
            refuse(errno.EINVAL)
        if not self.capable and wanted != current:
            refuse(errno.EPERM)
        return wanted

    def _show_ids(self, number: int, outputs: tuple[int, ...]) -> None:
        for output in outputs:
            write_at(output, struct.pack("I", number))

    def _set_name(self, field: int, text: int, length: int) -> None:
        self.need_rights("uts")
        if not 0 <= length < c.UTSNAME_FIELD:
            refuse(errno.EINVAL)
        self.names[field] = ctypes.string_at(text, length).decode()

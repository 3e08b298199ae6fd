"""Scheduling, in the fake kernel (sched(7), setpriority(2), ioprio_set(2))."""

from __future__ import annotations

import ctypes
import errno
import struct

from haconiwa_core.linux.constants import CAP_SYS_ADMIN, CAP_SYS_NICE
from haconiwa_core.testing.fake.files import refuse
from haconiwa_core.testing.fake.state import HOST, State, write_at

_OTHER, _FIFO, _RR, _BATCH, _IDLE, _DEADLINE = 0, 1, 2, 3, 5, 6
_FAIR = (_OTHER, _BATCH)
_REAL_TIME = (_FIFO, _RR)
_ATTRIBUTES = "IIQiI3Q"
_LEAST_RUNTIME = 1024
_IO_REAL_TIME, _IO_IDLE = 1, 3
_IO_CLASS_SHIFT = 13
_CPUS = 0b11
_MASK_SIZE = 8


class SchedulingCalls(State):
    """Calls of scheduling."""

    nice = 0
    policy = _OTHER
    priority = 0
    times = (0, 0, 0)
    """Runtime, deadline and period of a SCHED_DEADLINE process."""
    cpus = _CPUS
    io_priority = 0

    def _setpriority(self, _which: int, _who: int, nice: int) -> None:
        if nice < self.nice and not self._rules_scheduling():
            refuse(errno.EACCES)
        self.nice = nice

    def _getpriority(self) -> int:
        return 20 - self.nice

    def _sched_setattr(self, _pid: int, attributes: int) -> None:
        content = ctypes.string_at(attributes, struct.calcsize(_ATTRIBUTES))
        _size, policy, _flags, nice, priority, *times = struct.unpack(_ATTRIBUTES, content)
        if policy not in (*_FAIR, *_REAL_TIME, _IDLE, _DEADLINE) or (policy in _REAL_TIME) != (1 <= priority <= 99):
            refuse(errno.EINVAL)
        runtime, deadline, period = times
        if policy == _DEADLINE and not _LEAST_RUNTIME <= runtime <= deadline <= period:
            refuse(errno.EINVAL)
        raising = policy in (*_REAL_TIME, _DEADLINE) or (policy in _FAIR and nice < self.nice)
        if raising and not self._rules_scheduling():
            refuse(errno.EPERM)
        self.policy, self.priority = policy, priority
        self.nice = nice if policy in _FAIR else self.nice
        self.times = (runtime, deadline, period) if policy == _DEADLINE else (0, 0, 0)

    def _sched_getattr(self, _pid: int, output: int, size: int) -> None:
        nice = 0 if self.policy in (*_REAL_TIME, _DEADLINE) else self.nice
        write_at(output, struct.pack(_ATTRIBUTES, size, self.policy, 0, nice, self.priority, *self.times))

    def _sched_setaffinity(self, _pid: int, size: int, mask: int) -> None:
        cpus = int.from_bytes(ctypes.string_at(mask, size), "little") & _CPUS
        if not cpus:
            refuse(errno.EINVAL)
        self.cpus = cpus

    def _sched_getaffinity(self, _pid: int, _size: int, output: int) -> int:
        write_at(output, self.cpus.to_bytes(_MASK_SIZE, "little"))
        return _MASK_SIZE

    def _ioprio_set(self, _which: int, _who: int, priority: int) -> None:
        kind = priority >> _IO_CLASS_SHIFT
        if not 0 <= kind <= _IO_IDLE or (kind == 0 and priority):
            refuse(errno.EINVAL)
        if kind == _IO_REAL_TIME and not (self._on_host() and (self.has(CAP_SYS_NICE) or self.has(CAP_SYS_ADMIN))):
            refuse(errno.EPERM)
        self.io_priority = priority

    def _ioprio_get(self) -> int:
        return self.io_priority

    def _rules_scheduling(self) -> bool:
        """Whether nothing but privilege is asked for: limits such as RLIMIT_NICE allow nothing here."""
        return self._on_host() and self.has(CAP_SYS_NICE)

    def _on_host(self) -> bool:
        return self.namespaces["user"] == HOST

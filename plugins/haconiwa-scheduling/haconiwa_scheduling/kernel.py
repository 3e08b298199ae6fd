"""Calls of scheduling; each is read back."""

from __future__ import annotations

import errno
import struct
from enum import IntEnum

from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.vocabulary import Operations, advises, lowers
from haconiwa_core.operation import Buffer, Operation

_SELF = 0
_PRIO_PROCESS = 0
WHO_PROCESS = 1
IO_CLASS_SHIFT = 13
_MASK_SIZE = 1024
# struct sched_attr, as it was first.
_ATTRIBUTES_SIZE = 48
_POLICY_OFFSET, _NICE_OFFSET, _PRIORITY_OFFSET, _TIMES_OFFSET = 4, 16, 20, 24
_GETPRIORITY_SHIFT = 20
"""getpriority(2) returns this less the nice value, so that no result is negative."""

_RAISING = "needs CAP_SYS_NICE on the host, which no process of a user namespace has"


class Policy(IntEnum):
    """Scheduling policies (sched(7))."""

    SCHED_OTHER = 0
    SCHED_FIFO = 1
    SCHED_RR = 2
    SCHED_BATCH = 3
    SCHED_IDLE = 5
    SCHED_DEADLINE = 6


class IoClass(IntEnum):
    """Classes of disk access (ioprio_set(2))."""

    IOPRIO_CLASS_RT = 1
    IOPRIO_CLASS_BE = 2
    IOPRIO_CLASS_IDLE = 3


@lowers
@advises({errno.EACCES: f"a nice value below the caller's {_RAISING}, or an RLIMIT_NICE that allows it"})
def set_nice(nice: int) -> Operations:
    """Set the process's nice value and read it back (setpriority(2)).

    Args:
        nice: -20 to 19; one below the present needs CAP_SYS_NICE on the host, or RLIMIT_NICE.
    """
    yield Operation(Call.setpriority, (_PRIO_PROCESS, _SELF, nice))
    yield Operation(Call.getpriority, (_PRIO_PROCESS, _SELF), returns=_GETPRIORITY_SHIFT - nice)


@lowers
@advises(
    {
        errno.EPERM: f"a real-time policy, or a nice value below the caller's, {_RAISING},"
        " or an RLIMIT_RTPRIO or RLIMIT_NICE that allows it; a control group can refuse it, too (cpu.rt_runtime_us)"
    }
)
def set_policy(policy: int, nice: int, priority: int) -> Operations:
    """Set the process's scheduling policy and read it back (sched_setattr(2)).

    Args:
        policy: a SCHED_* number, not SCHED_DEADLINE.
        nice: -20 to 19, of SCHED_OTHER and SCHED_BATCH; else 0.
        priority: 1 to 99, of SCHED_FIFO and SCHED_RR; else 0.
    """
    shares_time = policy in (Policy.SCHED_OTHER, Policy.SCHED_BATCH)
    shown = (_NICE_OFFSET, struct.pack("i", nice)) if shares_time else (_PRIORITY_OFFSET, struct.pack("I", priority))
    yield from _set_attributes(policy, nice, priority, (0, 0, 0), (shown,))


@lowers
@advises(
    {
        errno.EPERM: f"the policy {_RAISING}, and all CPUs of the process's scheduling domain",
        errno.EBUSY: "the CPUs have promised too much time to others: ask for less",
        errno.EINVAL: "the period is beyond the bounds in /proc/sys/kernel/sched_deadline_period_min_us and _max_us",
    }
)
def set_deadline(runtime: int, deadline: int, period: int) -> Operations:
    """Make the process a SCHED_DEADLINE one and read it back (sched_setattr(2)).

    Args:
        runtime: processor time in each period, in nanoseconds, 1024 or more.
        deadline: when it is due, in nanoseconds from the period's begin, not below `runtime`.
        period: in nanoseconds, not below `deadline`.
    """
    times = (runtime, deadline, period)
    shown = (_TIMES_OFFSET, struct.pack("3Q", *times))
    yield from _set_attributes(Policy.SCHED_DEADLINE, 0, 0, times, (shown,))


@lowers
@advises(
    {
        errno.EINVAL: "none of these CPUs is there and online, and in the process's control group (cpuset(7))",
        0: "some of these CPUs are not there, not online, or not in the process's control group (cpuset(7))",
    }
)
def set_affinity(cpus: tuple[int, ...]) -> Operations:
    """Set the CPUs that the process may run on and read them back (sched_setaffinity(2)).

    The kernel leaves out what it does not have; reading back makes that a failure.

    Args:
        cpus: numbers, at least one.
    """
    mask = sum(1 << cpu for cpu in set(cpus)).to_bytes(_MASK_SIZE, "little")
    yield Operation(Call.sched_setaffinity, (_SELF, len(mask), mask))
    yield Operation(Call.sched_getaffinity, (_SELF, len(mask), Buffer(len(mask), ((0, mask),))))


@lowers
@advises({errno.EPERM: f"the class realtime {_RAISING}"})
def set_io_priority(io_class: int, level: int) -> Operations:
    """Set the process's priority for disks and read it back (ioprio_set(2)).

    Args:
        io_class: an IOPRIO_CLASS_* number.
        level: 0 (highest) to 7; 0 for IOPRIO_CLASS_IDLE.
    """
    value = io_class << IO_CLASS_SHIFT | level
    yield Operation(Call.ioprio_set, (WHO_PROCESS, _SELF, value))
    yield Operation(Call.ioprio_get, (WHO_PROCESS, _SELF), returns=value)


def _set_attributes(
    policy: int, nice: int, priority: int, times: tuple[int, int, int], expect: tuple[tuple[int, bytes], ...]
) -> Operations:
    attributes = struct.pack("IIQiI3Q", _ATTRIBUTES_SIZE, policy, 0, nice, priority, *times)
    yield Operation(Call.sched_setattr, (_SELF, attributes, 0))
    shown = Buffer(_ATTRIBUTES_SIZE, ((_POLICY_OFFSET, struct.pack("I", policy)), *expect))
    yield Operation(Call.sched_getattr, (_SELF, shown, _ATTRIBUTES_SIZE, 0))

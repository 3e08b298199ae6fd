"""Scheduling that both kernels refuse."""

import errno
from pathlib import Path

import pytest
from fake_kernel.both import (
    MAPLESS,
    USER,
    assert_both_refuse,
)
from haconiwa_scheduling import LAST_CPU
from haconiwa_scheduling.kernel import (
    IoClass,
    Policy,
    set_affinity,
    set_deadline,
    set_io_priority,
    set_nice,
    set_policy,
)

from haconiwa_core.launch.interpreter import OUTPUT_DIFFERS
from haconiwa_core.testing import needs_root

CASES = {
    "a user's nice value": ((*USER, *set_nice(-1)), errno.EACCES),
    "a mapped nice value": ((*MAPLESS, *set_nice(-1)), errno.EACCES),
    "a user's nice value with a policy": ((*USER, *set_policy(Policy.SCHED_BATCH, -1, 0)), errno.EPERM),
    "a user's real-time policy": ((*USER, *set_policy(Policy.SCHED_FIFO, 0, 1)), errno.EPERM),
    "a mapped real-time policy": ((*MAPLESS, *set_policy(Policy.SCHED_RR, 0, 1)), errno.EPERM),
    "a real-time policy without a priority": ((*set_policy(Policy.SCHED_FIFO, 0, 0),), errno.EINVAL),
    "a priority of time sharing": ((*set_policy(Policy.SCHED_OTHER, 0, 1),), errno.EINVAL),
    "a priority above 99": ((*set_policy(Policy.SCHED_RR, 0, 100),), errno.EINVAL),
    "an unknown policy": ((*set_policy(9, 0, 0),), errno.EINVAL),
    "a user's deadline": ((*USER, *set_deadline(10**6, 10**7, 10**7)), errno.EPERM),
    "a mapped deadline": ((*MAPLESS, *set_deadline(10**6, 10**7, 10**7)), errno.EPERM),
    "a short runtime": ((*set_deadline(1023, 10**7, 10**7),), errno.EINVAL),
    "a runtime above the deadline": ((*set_deadline(10**7, 10**6, 10**7),), errno.EINVAL),
    "a deadline above the period": ((*set_deadline(10**6, 10**7, 10**6),), errno.EINVAL),
    "a CPU that is not there": ((*set_affinity((LAST_CPU,)),), errno.EINVAL),
    "CPUs of which one is not there": ((*set_affinity((0, LAST_CPU)),), OUTPUT_DIFFERS),
    "a user's realtime class of disks": ((*USER, *set_io_priority(IoClass.IOPRIO_CLASS_RT, 4)), errno.EPERM),
    "a mapped realtime class of disks": ((*MAPLESS, *set_io_priority(IoClass.IOPRIO_CLASS_RT, 4)), errno.EPERM),
    "an unknown class of disks": ((*set_io_priority(4, 0),), errno.EINVAL),
}


@needs_root
@pytest.mark.parametrize("name", CASES)
def test_both_kernels_refuse(name: str, folder: Path) -> None:
    assert_both_refuse(*CASES[name], folder)

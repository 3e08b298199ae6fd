"""Capabilities that both kernels refuse. 1 is the bit of CAP_CHOWN; 63 is no capability of any kernel."""

import errno
import struct
from pathlib import Path

import pytest
from fake_kernel.both import (
    USER,
    assert_both_refuse,
    call,
)

from haconiwa_core.linux import constants as c
from haconiwa_core.operation import Operation
from haconiwa_core.testing import needs_root

CAP_CHOWN = 0
SECBIT_NOROOT, SECBIT_NOROOT_LOCKED = 1, 2
SECBIT_KEEP_CAPS = 1 << 4
SECBIT_NO_CAP_AMBIENT_RAISE = 1 << 6


def prctl(option: int, *arguments: int) -> Operation:
    return call("prctl", option, *arguments)


def capset(*, effective: int, permitted: int, inheritable: int = 0, version: int = c.LINUX_CAPABILITY_VERSION_3):
    header = struct.pack("Ii", version, 0)
    return call("capset", header, struct.pack("6I", effective, permitted, inheritable, 0, 0, 0))


CASES = {
    "a user's bounding set": ((*USER, prctl(c.PR_CAPBSET_DROP, CAP_CHOWN)), errno.EPERM),
    "an unknown capability is dropped": (prctl(c.PR_CAPBSET_DROP, 63), errno.EINVAL),
    "an unknown capability is asked for": (prctl(c.PR_CAPBSET_READ, 63), errno.EINVAL),
    "permitted again": ((capset(effective=0, permitted=0), capset(effective=0, permitted=1)), errno.EPERM),
    "effective without permitted": (capset(effective=1, permitted=2), errno.EPERM),
    "a user's permitted set": ((*USER, capset(effective=0, permitted=1)), errno.EPERM),
    "inheritable beyond the bounding set": (
        (prctl(c.PR_CAPBSET_DROP, CAP_CHOWN), capset(effective=1, permitted=1, inheritable=1)),
        errno.EPERM,
    ),
    "inheritable beyond permitted, without CAP_SETPCAP": (
        (capset(effective=2, permitted=2), capset(effective=2, permitted=2, inheritable=1)),
        errno.EPERM,
    ),
    "another version of capset": (capset(effective=0, permitted=0, version=1), errno.EINVAL),
    "capget of another version": (call("capget", struct.pack("Ii", 1, 0), bytes(24)), errno.EINVAL),
    "ambient without inheritable": (prctl(c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_RAISE, CAP_CHOWN), errno.EPERM),
    "an unknown ambient capability": (prctl(c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_IS_SET, 63), errno.EINVAL),
    "an unknown change of the ambient set": (prctl(c.PR_CAP_AMBIENT, 5, CAP_CHOWN), errno.EINVAL),
    "ambient where it may not be raised": (
        (
            capset(effective=1 << c.CAP_SETPCAP, permitted=1 | 1 << c.CAP_SETPCAP, inheritable=1),
            prctl(c.PR_SET_SECUREBITS, SECBIT_NO_CAP_AMBIENT_RAISE),
            prctl(c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_RAISE, CAP_CHOWN),
        ),
        errno.EPERM,
    ),
    "a user's secure bits": ((*USER, prctl(c.PR_SET_SECUREBITS, SECBIT_NOROOT)), errno.EPERM),
    "unknown secure bits": (prctl(c.PR_SET_SECUREBITS, 1 << 30), errno.EPERM),
    "a locked secure bit": (
        (
            prctl(c.PR_SET_SECUREBITS, SECBIT_NOROOT_LOCKED),
            prctl(c.PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED),
        ),
        errno.EPERM,
    ),
    "unlocking a secure bit": (
        (prctl(c.PR_SET_SECUREBITS, SECBIT_NOROOT_LOCKED), prctl(c.PR_SET_SECUREBITS, 0)),
        errno.EPERM,
    ),
    # What a change of the user leaves.
    "kept permitted, but not effective": (
        (prctl(c.PR_SET_SECUREBITS, SECBIT_KEEP_CAPS), *USER, prctl(c.PR_CAPBSET_DROP, CAP_CHOWN)),
        errno.EPERM,
    ),
    "kept permitted is raised": (
        (
            prctl(c.PR_SET_SECUREBITS, SECBIT_KEEP_CAPS),
            *USER,
            capset(effective=1, permitted=1),
            capset(effective=2, permitted=2),
        ),
        errno.EPERM,
    ),
}


@needs_root
@pytest.mark.parametrize("name", CASES)
def test_both_kernels_refuse(name: str, folder: Path) -> None:
    assert_both_refuse(*CASES[name], folder)

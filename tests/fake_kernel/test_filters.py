"""Filters of system calls that both kernels refuse."""

import errno
import struct
from pathlib import Path

import pytest
from fake_kernel.both import (
    UNKNOWN,
    USER,
    assert_both_refuse,
    call,
)

from haconiwa_core.linux.calls import Call
from haconiwa_core.operation import Data, Operation, Slot
from haconiwa_core.testing import needs_root

# ld [0]; ret ALLOW
ALLOWED = struct.pack("HBBIHBBI", 0x20, 0, 0, 0, 0x06, 0, 0, 0x7FFF0000)
FILTER = Data(struct.pack("HxxxxxxQ", 2, 0), ((8, ALLOWED),))
# One byte, and a descriptor that is not open (SCM_RIGHTS).
MESSAGE = Data(
    struct.pack("QIxxxxQQQQixxxx", 0, 0, 0, 1, 0, 24, 0),
    ((16, Data(struct.pack("QQ", 0, 1), ((0, b"x"),))), (32, struct.pack("Qiiixxxx", 20, 1, 1, UNKNOWN))),
)
LONG_FILTER = Data(struct.pack("HxxxxxxQ", 4097, 0), ((8, ALLOWED),))

CASES = {
    "a user's filter": ((*USER, call("seccomp", 1, 0, FILTER)), errno.EACCES),
    "an empty filter": (call("seccomp", 1, 0, bytes(16)), errno.EINVAL),
    "a filter that is too long": (call("seccomp", 1, 0, LONG_FILTER), errno.EINVAL),
    "a filter with unknown flags": (call("seccomp", 1, 1 << 31, FILTER), errno.EINVAL),
    "an unknown operation on filters": (call("seccomp", 99, 0, 0), errno.EINVAL),
    "a message to an unknown descriptor": (call("sendmsg", UNKNOWN, MESSAGE, 0), errno.EBADF),
    "an unknown descriptor in a message": (
        (Operation(Call.socket, (1, 2, 0), result=Slot("socket")), call("sendmsg", Slot("socket"), MESSAGE, 0)),
        errno.EBADF,
    ),
}


@needs_root
@pytest.mark.parametrize("name", CASES)
def test_both_kernels_refuse(name: str, folder: Path) -> None:
    assert_both_refuse(*CASES[name], folder)

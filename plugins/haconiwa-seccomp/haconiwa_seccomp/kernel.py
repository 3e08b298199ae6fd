"""The system calls that load a filter, and hand its notifications to a handler."""

from __future__ import annotations

import struct
from socket import MSG_NOSIGNAL, SCM_RIGHTS, SOL_SOCKET

from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.vocabulary import Operations, lowers
from haconiwa_core.operation import Buffer, Data, Operation, Slot

SECCOMP_SET_MODE_FILTER = 1
SECCOMP_FILTER_FLAG_NEW_LISTENER = 8

_INSTRUCTION_SIZE = 8
_LISTENER = Slot("listener")


@lowers
def load_filter(program: bytes, flags: int) -> Operations:
    """Load a filter of system calls for good (seccomp(2)).

    Nothing reads it back: the kernel takes the whole filter or none of it, and the calls that would tell may
    be denied by it.

    Args:
        program: instructions of classic BPF, 1 to 4096 of them.
        flags: SECCOMP_FILTER_FLAG_*.
    """
    yield Operation(Call.seccomp, (SECCOMP_SET_MODE_FILTER, flags, _described(program)), returns=0)


@lowers
def load_filter_with_handler(program: bytes, flags: int, handler: Slot) -> Operations:
    """Load a filter of system calls for good, and wait until its handler serves it (seccomp_unotify(2)).

    Args:
        program: as that of `load_filter`.
        flags: as those of `load_filter`.
        handler: a socket to the process that answers what the filter notifies of.
    """
    flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER
    yield Operation(Call.seccomp, (SECCOMP_SET_MODE_FILTER, flags, _described(program)), result=_LISTENER)
    part = Data(struct.pack("QQ", 0, 1), ((0, b"\0"),))
    # struct cmsghdr with a descriptor; what is written over it is 8 bytes wide, and the upper half of it is padding.
    control = Data(struct.pack("Qiiixxxx", struct.calcsize("Qiii"), SOL_SOCKET, SCM_RIGHTS, 0), ((16, _LISTENER),))
    header = struct.pack("QIxxxxQQQQixxxx", 0, 0, 0, 1, 0, len(control.content), 0)
    yield Operation(Call.sendmsg, (handler, Data(header, ((16, part), (32, control))), MSG_NOSIGNAL), returns=1)
    # As long as anybody has it open, a call waits for its answer, even if the handler has ended.
    yield Operation(Call.close, (_LISTENER,))
    yield Operation(Call.read, (handler, Buffer(1), 1), returns=1)


def _described(program: bytes) -> Data:
    """Return a struct sock_fprog."""
    return Data(struct.pack("HxxxxxxQ", len(program) // _INSTRUCTION_SIZE, 0), ((8, program),))

"""What the filters of a plan answer to a system call: classic BPF as seccomp(2) runs it."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from enum import IntEnum

from haconiwa_core.linux import bpf
from haconiwa_core.linux.calls import Call
from haconiwa_core.operation import Data
from haconiwa_core.planning.plan import Plan

_X86_64 = os.uname().machine == "x86_64"


def _number(x86_64: int, aarch64: int) -> int:
    return x86_64 if _X86_64 else aarch64


class Asked(IntEnum):
    """Calls that findings and attempts ask about; the numbers are the running machine's, as those in its plans are.

    -1 is what the machine does not have.
    """

    bpf = Call.bpf
    chroot = Call.chroot
    clock_adjtime = _number(305, 266)
    clock_settime = _number(227, 112)
    clone = _number(56, 220)
    clone3 = Call.clone3
    finit_module = _number(313, 273)
    fsmount = Call.fsmount
    init_module = _number(175, 105)
    io_uring_setup = 425
    ioctl = Call.ioctl
    ioperm = _number(173, -1)
    iopl = _number(172, -1)
    keyctl = Call.keyctl
    mknod = _number(133, -1)
    mknodat = Call.mknodat
    mount = _number(165, 40)
    mount_setattr = Call.mount_setattr
    move_mount = Call.move_mount
    open_by_handle_at = _number(304, 265)
    perf_event_open = _number(298, 241)
    pivot_root = Call.pivot_root
    prlimit64 = Call.prlimit64
    process_vm_readv = _number(310, 270)
    ptrace = _number(101, 117)
    reboot = _number(169, 142)
    setdomainname = Call.setdomainname
    sethostname = Call.sethostname
    setns = Call.setns
    settimeofday = _number(164, 170)
    syslog = _number(103, 116)
    umount2 = Call.umount2
    unshare = Call.unshare
    userfaultfd = _number(323, 282)


MOUNTING = (Asked.mount, Asked.mount_setattr, Asked.move_mount, Asked.umount2)
"""Calls that change what is mounted."""

_DENYING = (bpf.ERRNO, bpf.TRAP, bpf.KILL_THREAD, bpf.KILL_PROCESS)
"""With any other answer the call is made, or somebody decides."""

_PROGRAM = 8
"""Where in struct sock_fprog the address of the instructions lies."""


def filters_of(plan: Plan) -> Iterator[bytes]:
    """Yield the filters that a plan loads, whoever asks for them."""
    for planned in plan.steps:
        for operation in planned.operations():
            if operation.call is Call.seccomp:
                for argument in operation.arguments:
                    described = argument.relocations if isinstance(argument, Data) else ()
                    yield from (value for at, value in described if at == _PROGRAM and isinstance(value, bytes))


def denies(program: bytes, call: Asked, arguments: tuple[int, ...]) -> bool:
    """Return whether a filter lets a call fail; one that is not understood is taken for none.

    Args:
        program: the filter.
        call: the call.
        arguments: of the call; those that are not given are 0.
    """
    try:
        found = bpf.answers(program, call, arguments)
    except (IndexError, KeyError, ValueError, struct.error):
        return False
    return all(answer & bpf.ACTION_MASK in _DENYING for answer in found)

"""System call numbers of the architectures that Haconiwa runs on (syscalls(2)).

Members carry the kernel's names; plans are printed with them.
"""

from __future__ import annotations

import os
from enum import IntEnum

_MACHINES = ("x86_64", "aarch64")


_MACHINE = os.uname().machine

if _MACHINE not in _MACHINES:
    raise ImportError(f"haconiwa runs on {' and '.join(_MACHINES)}, not on {_MACHINE}")


def _number(x86_64: int, aarch64: int) -> int:
    return x86_64 if _MACHINE == "x86_64" else aarch64


class Call(IntEnum):
    """A system call."""

    chdir = _number(80, 49)
    chroot = _number(161, 51)
    clone3 = _number(435, 435)
    close = _number(3, 57)
    close_range = _number(436, 436)
    dup3 = _number(292, 24)
    execve = _number(59, 221)
    exit_group = _number(231, 94)
    fchdir = _number(81, 50)
    fchown = _number(93, 55)
    fsconfig = _number(431, 431)
    fsmount = _number(432, 432)
    fsopen = _number(430, 430)
    fstatfs = _number(138, 44)
    getcwd = _number(79, 17)
    getgroups = _number(115, 158)
    getresgid = _number(120, 150)
    getresuid = _number(118, 148)
    ioctl = _number(16, 29)
    keyctl = _number(250, 219)
    mkdirat = _number(258, 34)
    mknodat = _number(259, 33)
    mount_setattr = _number(442, 442)
    move_mount = _number(429, 429)
    open_tree = _number(428, 428)
    openat = _number(257, 56)
    openat2 = _number(437, 437)
    pivot_root = _number(155, 41)
    prctl = _number(157, 167)
    prlimit64 = _number(302, 261)
    read = _number(0, 63)
    rt_sigaction = _number(13, 134)
    rt_sigprocmask = _number(14, 135)
    setdomainname = _number(171, 162)
    setgroups = _number(116, 159)
    sethostname = _number(170, 161)
    setns = _number(308, 268)
    setresgid = _number(119, 149)
    setresuid = _number(117, 147)
    setsid = _number(112, 157)
    socket = _number(41, 198)
    statx = _number(332, 291)
    symlinkat = _number(266, 36)
    umask = _number(95, 166)
    umount2 = _number(166, 39)
    uname = _number(63, 160)
    unshare = _number(272, 97)
    write = _number(1, 64)

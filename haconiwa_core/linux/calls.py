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

    bpf = _number(321, 280)
    capget = _number(125, 90)
    capset = _number(126, 91)
    chdir = _number(80, 49)
    chroot = _number(161, 51)
    clock_gettime = _number(228, 113)
    clone3 = _number(435, 435)
    close = _number(3, 57)
    close_range = _number(436, 436)
    dup3 = _number(292, 24)
    execve = _number(59, 221)
    execveat = _number(322, 281)
    exit_group = _number(231, 94)
    fchdir = _number(81, 50)
    fchown = _number(93, 55)
    fsconfig = _number(431, 431)
    fsmount = _number(432, 432)
    fsopen = _number(430, 430)
    fstatfs = _number(138, 44)
    getcwd = _number(79, 17)
    getgroups = _number(115, 158)
    getpriority = _number(140, 141)
    getresgid = _number(120, 150)
    getresuid = _number(118, 148)
    inotify_add_watch = _number(254, 27)
    inotify_init1 = _number(294, 26)
    inotify_rm_watch = _number(255, 28)
    ioctl = _number(16, 29)
    ioprio_get = _number(252, 31)
    ioprio_set = _number(251, 30)
    keyctl = _number(250, 219)
    landlock_add_rule = _number(445, 445)
    landlock_create_ruleset = _number(444, 444)
    landlock_restrict_self = _number(446, 446)
    mkdirat = _number(258, 34)
    mknodat = _number(259, 33)
    mount_setattr = _number(442, 442)
    move_mount = _number(429, 429)
    open_tree = _number(428, 428)
    openat = _number(257, 56)
    openat2 = _number(437, 437)
    pivot_root = _number(155, 41)
    prctl = _number(157, 167)
    pread64 = _number(17, 67)
    prlimit64 = _number(302, 261)
    read = _number(0, 63)
    rt_sigaction = _number(13, 134)
    rt_sigprocmask = _number(14, 135)
    sched_getaffinity = _number(204, 123)
    sched_getattr = _number(315, 275)
    sched_setaffinity = _number(203, 122)
    sched_setattr = _number(314, 274)
    seccomp = _number(317, 277)
    sendmsg = _number(46, 211)
    setdomainname = _number(171, 162)
    setgroups = _number(116, 159)
    sethostname = _number(170, 161)
    setns = _number(308, 268)
    setpriority = _number(141, 140)
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

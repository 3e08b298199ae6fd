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


def number(x86_64: int, aarch64: int) -> int:
    """Return a system call's number on this machine: for `Call`, and for a plugin's enum of what `Call` lacks."""
    return x86_64 if _MACHINE == "x86_64" else aarch64


class Call(IntEnum):
    """A system call."""

    bpf = number(321, 280)
    capget = number(125, 90)
    capset = number(126, 91)
    chdir = number(80, 49)
    chroot = number(161, 51)
    clock_gettime = number(228, 113)
    clone3 = number(435, 435)
    close = number(3, 57)
    close_range = number(436, 436)
    dup3 = number(292, 24)
    execve = number(59, 221)
    execveat = number(322, 281)
    exit_group = number(231, 94)
    fchdir = number(81, 50)
    fchown = number(93, 55)
    fsconfig = number(431, 431)
    fsmount = number(432, 432)
    fsopen = number(430, 430)
    fstatfs = number(138, 44)
    getcwd = number(79, 17)
    getgroups = number(115, 158)
    getpriority = number(140, 141)
    getresgid = number(120, 150)
    getresuid = number(118, 148)
    inotify_add_watch = number(254, 27)
    inotify_init1 = number(294, 26)
    inotify_rm_watch = number(255, 28)
    ioctl = number(16, 29)
    ioprio_get = number(252, 31)
    ioprio_set = number(251, 30)
    keyctl = number(250, 219)
    landlock_add_rule = number(445, 445)
    landlock_create_ruleset = number(444, 444)
    landlock_restrict_self = number(446, 446)
    mkdirat = number(258, 34)
    mknodat = number(259, 33)
    mount_setattr = number(442, 442)
    move_mount = number(429, 429)
    open_tree = number(428, 428)
    openat = number(257, 56)
    openat2 = number(437, 437)
    pivot_root = number(155, 41)
    prctl = number(157, 167)
    pread64 = number(17, 67)
    prlimit64 = number(302, 261)
    read = number(0, 63)
    rt_sigaction = number(13, 134)
    rt_sigprocmask = number(14, 135)
    sched_getaffinity = number(204, 123)
    sched_getattr = number(315, 275)
    sched_setaffinity = number(203, 122)
    sched_setattr = number(314, 274)
    seccomp = number(317, 277)
    sendmsg = number(46, 211)
    setdomainname = number(171, 162)
    setgroups = number(116, 159)
    sethostname = number(170, 161)
    setns = number(308, 268)
    setpriority = number(141, 140)
    setresgid = number(119, 149)
    setresuid = number(117, 147)
    setsid = number(112, 157)
    socket = number(41, 198)
    statx = number(332, 291)
    symlinkat = number(266, 36)
    umask = number(95, 166)
    umount2 = number(166, 39)
    uname = number(63, 160)
    unshare = number(272, 97)
    write = number(1, 64)

"""What the table refuses while planning, the kernel refuses too: raw calls in a forked child."""

import ctypes
import errno
import os
import re
from pathlib import Path

import pytest
from system.world import libc

from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.planning.refusals import TABLE
from haconiwa_core.testing import forked

UNPRIVILEGED = 65534


def call(number, *arguments):
    return libc("syscall", ctypes.c_long(number), *arguments)


def in_user_namespace(flags=0, uid_map="0 0 1"):
    """Enter a new user namespace, and others with it; the process maps itself."""
    libc("unshare", c.CLONE_NEWUSER | flags)
    Path("/proc/self/uid_map").write_text(uid_map)


def refused(function, number):
    """Whether a function, called in a child process, fails with this errno."""

    def check():
        with pytest.raises(OSError, match=re.escape(os.strerror(number))):
            function()

    return forked(check) == 0


def allowed(function):
    return forked(function) == 0


def fresh(filesystem):
    context = call(Call.fsopen, filesystem, 0)
    call(Call.fsconfig, context, c.FSCONFIG_CMD_CREATE, None, None, 0)
    call(Call.fsmount, context, 0, 0)


@pytest.mark.parametrize(
    ("filesystem", "flag"),
    [(b"proc", c.CLONE_NEWPID), (b"sysfs", c.CLONE_NEWNET), (b"mqueue", c.CLONE_NEWIPC)],
    ids=["proc", "sysfs", "mqueue"],
)
def test_filesystem_of_foreign_namespace(filesystem, flag):
    def mount(flags):
        in_user_namespace(c.CLONE_NEWNS | flags)
        # A new pid namespace is entered by the next child.
        assert forked(lambda: fresh(filesystem)) == 0

    def mount_foreign():
        in_user_namespace(c.CLONE_NEWNS)
        fresh(filesystem)

    assert refused(mount_foreign, errno.EPERM)
    assert allowed(lambda: mount(flag))


@pytest.mark.parametrize("flag", [flag for flag in c.CloneFlag if flag != c.CLONE_NEWUSER], ids=lambda flag: flag.name)
def test_unprivileged_without_user_namespace(flag):
    def unshare():
        os.setuid(UNPRIVILEGED)
        libc("unshare", flag)

    assert refused(unshare, errno.EPERM)
    assert allowed(lambda: libc("unshare", flag))


def test_unprivileged_root():
    def chroot():
        os.setuid(UNPRIVILEGED)
        os.chroot("/usr")

    assert refused(chroot, errno.EPERM)


def test_map_without_root():
    def become_root():
        in_user_namespace(uid_map="1 0 1")
        os.setresuid(0, 0, 0)

    assert refused(become_root, errno.EINVAL)

    def become_mapped():
        in_user_namespace()
        os.setresuid(0, 0, 0)

    assert allowed(become_mapped)


def test_kind_unknown_to_kernel():
    unknown = next(1 << bit for bit in range(6) if not any(flag & 1 << bit for flag in c.CloneFlag))
    assert refused(lambda: libc("unshare", unknown), errno.EINVAL)


def test_every_row_has_a_test():
    tests = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    assert {row.name for row in TABLE} <= tests

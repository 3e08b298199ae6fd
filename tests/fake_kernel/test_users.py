"""What both kernels refuse a user without rights, and whoever is in a user namespace whose ids are not mapped."""

import errno
from pathlib import Path

import pytest
from fake_kernel.both import (
    FOLDER,
    MAPLESS,
    MAPLESS_MOUNTS,
    TREE_SLOT,
    USER,
    UTS,
    assert_both_refuse,
    call,
    tree,
)

from haconiwa_core import linux
from haconiwa_core.linux import constants as c
from haconiwa_core.testing import needs_root

CASES = {
    "a user's host name": ((*USER, *linux.set_host_name("x")), errno.EPERM),
    "a user's domain name": ((*USER, *linux.set_domain_name("x")), errno.EPERM),
    "a user's groups": ((*USER, *linux.set_groups((5,))), errno.EPERM),
    "a user's chroot": ((*USER, *linux.change_root(FOLDER)), errno.EPERM),
    "a user's pivot_root": ((*USER, *linux.pivot_root(FOLDER)), errno.EPERM),
    "a user's open_tree": ((*USER, *tree()), errno.EPERM),
    "a user's tmpfs": ((*USER, *linux.make_filesystem("tmpfs", (), 0, into=TREE_SLOT)), errno.EPERM),
    "a user's private tree": ((*USER, *linux.make_tree_private()), errno.EPERM),
    "a user's unshare": ((*USER, *linux.unshare(c.CLONE_NEWUTS)), errno.EPERM),
    "a user's setns": ((*USER, *linux.join_namespace(UTS, c.CLONE_NEWUTS)), errno.EPERM),
    "a user's gid": ((*USER, *linux.set_gid(5)), errno.EPERM),
    "a user's uid": ((*USER, *linux.set_uid(0)), errno.EPERM),
    "a user's link": ((*USER, *linux.bring_link_up("lo")), errno.EPERM),
    "a user's umount": ((*USER, call("umount2", b"/\0", c.MNT_DETACH)), errno.EPERM),
    "a user's limit": ((*linux.set_limit(7, 16, 16), *USER, *linux.set_limit(7, 32, 32)), errno.EPERM),
    "uid 0 without a map": ((*MAPLESS, *linux.set_uid(0)), errno.EINVAL),
    "gid 0 without a map": ((*MAPLESS, *linux.set_gid(0)), errno.EINVAL),
    "groups without a map": ((*MAPLESS, *linux.set_groups(())), errno.EPERM),
    "the host's host name": ((*MAPLESS, *linux.set_host_name("x")), errno.EPERM),
    "the host's namespace": ((*MAPLESS, *linux.join_namespace(UTS, c.CLONE_NEWUTS)), errno.EPERM),
    "the host's mounts": ((*MAPLESS, *linux.make_tree_private()), errno.EPERM),
    "a mapped limit": ((*linux.set_limit(7, 16, 16), *MAPLESS, *linux.set_limit(7, 32, 32)), errno.EPERM),
    "proc of the host's pids": (
        (*MAPLESS_MOUNTS, *linux.make_filesystem("proc", (), 0, into=TREE_SLOT)),
        errno.EPERM,
    ),
    "sysfs of the host's network": (
        (*MAPLESS_MOUNTS, *linux.make_filesystem("sysfs", (), 0, into=TREE_SLOT)),
        errno.EPERM,
    ),
    "mqueue of the host's queues": (
        (*MAPLESS_MOUNTS, *linux.make_filesystem("mqueue", (), 0, into=TREE_SLOT)),
        errno.EPERM,
    ),
    "a long host name": ((*linux.set_host_name("x" * 65),), errno.EINVAL),
    "setns to the wrong kind": ((*linux.join_namespace(UTS, c.CLONE_NEWIPC),), errno.EINVAL),
    "setns to a path": ((*linux.join_namespace(FOLDER, c.CLONE_NEWUTS),), errno.EBADF),
    "a soft limit above the hard": ((*linux.set_limit(7, 32, 16),), errno.EINVAL),
    "an unknown limit": ((*linux.set_limit(16, 1, 1),), errno.EINVAL),
    "a second session": ((*linux.new_session(), *linux.new_session()), errno.EPERM),
    "an unknown interface": ((*linux.bring_link_up("absent0"),), errno.ENODEV),
}


@needs_root
@pytest.mark.parametrize("name", CASES)
def test_both_kernels_refuse(name: str, folder: Path) -> None:
    assert_both_refuse(*CASES[name], folder)

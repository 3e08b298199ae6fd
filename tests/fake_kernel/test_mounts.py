"""Mounts that both kernels refuse."""

import errno
import os
from pathlib import Path

import pytest
from fake_kernel.both import (
    FOLDER,
    IDS,
    MAPLESS_MOUNTS,
    TREE_SLOT,
    UTS,
    assert_both_refuse,
    call,
    tree,
)

from haconiwa_core import linux
from haconiwa_core.launch.interpreter import OUTPUT_DIFFERS
from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.operation import Operation, Slot
from haconiwa_core.testing import needs_root

CASES = {
    "write to a read-only tree": (
        (*linux.open_tree("TREE", False, c.MOUNT_ATTR_RDONLY, into=TREE_SLOT), call("mkdirat", TREE_SLOT, b"x\0", 0)),
        errno.EROFS,
    ),
    "a directory over a file": ((*tree(), *linux.attach_below_root(TREE_SLOT, "/file")), errno.EINVAL),
    "attributes of what is no mount": ((*linux.set_tree_attributes(FOLDER, 1),), errno.EINVAL),
    "move_mount of what is no mount": ((*linux.attach_below_root(FOLDER, "/directory"),), errno.EINVAL),
    "an unknown file system": ((*linux.make_filesystem("nofs", (), 0, into=TREE_SLOT),), errno.ENODEV),
    "a file system that is not made": (
        (Operation(Call.fsopen, (b"tmpfs\0", 1), result=TREE_SLOT), call("fsmount", TREE_SLOT, 1, 0)),
        errno.EINVAL,
    ),
    "the wrong file system": ((*linux.verify_filesystem("/directory", c.PROC_SUPER_MAGIC),), OUTPUT_DIFFERS),
    "pivot_root to a directory of the root's mount": ((*linux.pivot_root(FOLDER),), errno.EBUSY),
    "pivot_root to what is no mount": (
        (
            *tree(),
            *linux.attach_below_root(TREE_SLOT, "/directory"),
            Operation(Call.openat, (TREE_SLOT, b"directory\0", os.O_PATH, 0), result=Slot("below")),
            *linux.pivot_root(Slot("below")),
        ),
        errno.EINVAL,
    ),
    "a program on a mount without exec": (
        (
            *linux.open_tree("TREE", False, c.MOUNT_ATTR_NOEXEC, into=TREE_SLOT),
            *linux.attach_below_root(TREE_SLOT, "/directory"),
            *linux.execute(("TREE/directory/program",), ("x",), ()),
        ),
        errno.EACCES,
    ),
    "fsconfig of what is no context": (call("fsconfig", UTS, c.FSCONFIG_CMD_CREATE, 0, 0, 0), errno.EINVAL),
    "fsmount of what is no context": (call("fsmount", UTS, 1, 0), errno.EINVAL),
    "pivot_root to the root": (
        (*linux.open_directory("/", into=Slot("top")), *linux.pivot_root(Slot("top"))),
        errno.EBUSY,
    ),
    "pivot_root to a detached tree": ((*tree(), *linux.pivot_root(TREE_SLOT)), errno.EINVAL),
    "a map of ids by what is no user namespace": ((*tree(), *linux.map_tree_ids(TREE_SLOT, UTS, False)), errno.EINVAL),
    "a map of ids of a tree that is attached": (
        (*tree(), *linux.attach_below_root(TREE_SLOT, "/directory"), *linux.map_tree_ids(TREE_SLOT, IDS, False)),
        errno.EINVAL,
    ),
    "a second map of ids": (
        (*tree(), *linux.map_tree_ids(TREE_SLOT, IDS, False), *linux.map_tree_ids(TREE_SLOT, IDS, False)),
        errno.EPERM,
    ),
    "a map of ids from within a user namespace": (
        (*MAPLESS_MOUNTS, *tree(), *linux.map_tree_ids(TREE_SLOT, IDS, False)),
        errno.EPERM,
    ),
    "umount of what is no mount": ((call("fchdir", FOLDER), call("umount2", b".\0", c.MNT_DETACH)), errno.EINVAL),
}


@needs_root
@pytest.mark.parametrize("name", CASES)
def test_both_kernels_refuse(name: str, folder: Path) -> None:
    assert_both_refuse(*CASES[name], folder)

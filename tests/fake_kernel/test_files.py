"""Descriptors, paths and programs that both kernels refuse."""

import errno
import os
import struct
from pathlib import Path

import pytest
from fake_kernel.both import (
    FOLDER,
    TREE_SLOT,
    UNKNOWN,
    assert_both_refuse,
    call,
    opened,
)

from haconiwa_core import linux
from haconiwa_core.launch.interpreter import OUTPUT_DIFFERS
from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.operation import Operation, Slot
from haconiwa_core.testing import needs_root

HOW = struct.pack("QQQ", os.O_PATH, 0, 0)
ATTRIBUTES = struct.pack("QQQQ", c.MOUNT_ATTR_RDONLY, 0, 0, 0)

CASES = {
    "fchdir to an unknown descriptor": (call("fchdir", UNKNOWN), errno.EBADF),
    "close an unknown descriptor": (call("close", UNKNOWN), errno.EBADF),
    "dup3 of an unknown descriptor": (call("dup3", UNKNOWN, 50, 0), errno.EBADF),
    "setns to an unknown descriptor": (call("setns", UNKNOWN, 0), errno.EBADF),
    "openat2 below an unknown descriptor": (call("openat2", UNKNOWN, b"x\0", HOW, 24), errno.EBADF),
    "mkdirat below an unknown descriptor": (call("mkdirat", UNKNOWN, b"x\0", 0o755), errno.EBADF),
    "move_mount of an unknown descriptor": (call("move_mount", UNKNOWN, b"\0", FOLDER, b"\0", 0x44), errno.EBADF),
    "mount_setattr of an unknown descriptor": (
        call("mount_setattr", UNKNOWN, b"\0", c.AT_EMPTY_PATH, ATTRIBUTES, 32),
        errno.EBADF,
    ),
    "fsmount of an unknown descriptor": (call("fsmount", UNKNOWN, 1, 0), errno.EBADF),
    "write to an unknown descriptor": (call("write", UNKNOWN, b"x", 1), errno.EBADF),
    "a missing path": (opened("/missing"), errno.ENOENT),
    "below a file": (opened("/file/x"), errno.ENOTDIR),
    "a symbolic link that is refused": (opened("/link", c.RESOLVE_NO_SYMLINKS), errno.ELOOP),
    "below a symbolic link that is refused": (
        opened("/link/below", c.RESOLVE_NO_SYMLINKS),
        errno.ELOOP,
    ),
    "a loop": (opened("/loop"), errno.ELOOP),
    "a link that leads outside": (opened("/outside"), errno.ENOENT),
    "an existing directory": ((*linux.make_directory_in(FOLDER, "directory", 0o755),), errno.EEXIST),
    "an existing symbolic link": ((*linux.make_symlink("x", "/link"),), errno.EEXIST),
    "a missing working directory": ((*linux.change_directory("TREE/missing"),), errno.ENOENT),
    "a file as working directory": ((*linux.change_directory("TREE/file"),), errno.ENOTDIR),
    "a working directory outside the root": (
        (
            *linux.open_directory("/", into=Slot("host")),
            *linux.change_root(FOLDER),
            call("fchdir", Slot("host")),
            *linux.change_directory("."),
        ),
        OUTPUT_DIFFERS,
    ),
    "a missing program": ((*linux.execute(("TREE/missing",), ("x",), ()),), errno.ENOENT),
    "a directory as program": ((*linux.execute(("TREE/directory",), ("x",), ()),), errno.EACCES),
    "an unknown descriptor as program": ((*linux.execute_open_file(Slot("unknown"), ("x",), ()),), errno.EBADF),
    "an open directory as program": (
        (*linux.open_tree("TREE/directory", False, 0, into=TREE_SLOT), *linux.execute_open_file(TREE_SLOT, ("x",), ())),
        errno.EACCES,
    ),
    "an open program on a mount without exec": (
        (
            *linux.open_tree("TREE/program", False, c.MOUNT_ATTR_NOEXEC, into=TREE_SLOT),
            *linux.execute_open_file(TREE_SLOT, ("x",), ()),
        ),
        errno.EACCES,
    ),
    "pread64 of an unknown descriptor": (call("pread64", UNKNOWN, b"1234", 4, 0), errno.EBADF),
    "pread64 of a socket": (
        (Operation(Call.socket, (2, 2, 0), result=Slot("socket")), call("pread64", Slot("socket"), b"1234", 4, 0)),
        errno.ESPIPE,
    ),
}


@needs_root
@pytest.mark.parametrize("name", CASES)
def test_both_kernels_refuse(name: str, folder: Path) -> None:
    assert_both_refuse(*CASES[name], folder)

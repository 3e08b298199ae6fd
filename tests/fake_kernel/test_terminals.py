"""Terminals that both kernels refuse."""

import errno
import os
from pathlib import Path

import pytest
from fake_kernel.both import FOLDER, assert_both_refuse, call, on_fake, on_real, placed

from haconiwa_core import linux
from haconiwa_core.launch.interpreter import OUTPUT_DIFFERS
from haconiwa_core.linux import constants as c
from haconiwa_core.operation import Operation, Slot
from haconiwa_core.testing import needs_root

FILE, MASTER, END = Slot("file"), Slot("master"), Slot("end")
OPENED = (*linux.open_terminal("/dev/ptmx", into=MASTER),)
WHOLE = (*OPENED, *linux.open_slave(MASTER, into=END))
PLAIN = (*linux.open_file("TREE/file", os.O_RDWR, 0, into=FILE),)
FLAGS = os.O_RDWR | os.O_NOCTTY

CASES: dict[str, tuple[tuple[Operation, ...], int]] = {
    "a locked terminal": ((*OPENED, call("ioctl", MASTER, c.TIOCGPTPEER, FLAGS)), errno.EIO),
    "the other end of a file": ((*PLAIN, *linux.open_slave(FILE, into=END)), errno.ENOTTY),
    "a file that is to control the session": (
        (*PLAIN, *linux.new_session(), *linux.control_terminal(FILE)),
        errno.ENOTTY,
    ),
    "a terminal for who leads no session": ((*WHOLE, *linux.control_terminal(END)), errno.EPERM),
    "a second terminal": (
        (*WHOLE, *linux.new_session(), *linux.control_terminal(END), *WHOLE, *linux.control_terminal(END)),
        errno.EPERM,
    ),
    "one inside that lies on no devpts": (
        (*linux.open_terminal_inside("TREE/file", into=MASTER),),
        OUTPUT_DIFFERS,
    ),
}


@needs_root
@pytest.mark.parametrize("name", CASES)
def test_both_kernels_refuse(name: str, folder: Path) -> None:
    assert_both_refuse(*CASES[name], folder)


@needs_root
def test_both_kernels_make_one(folder: Path) -> None:
    """And give it to the session that has none."""
    operations = placed((*WHOLE, *linux.new_session(), *linux.control_terminal(END), call("fchdir", FOLDER)), folder)
    assert on_real(operations, folder) is None
    assert on_fake(operations, folder) is None

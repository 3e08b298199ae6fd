"""What the child does."""

from __future__ import annotations

import os

from haconiwa_core import Slot
from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.vocabulary import Operations, lowers
from haconiwa_core.operation import Operation

FLAGS = os.O_RDONLY | os.O_CLOEXEC


@lowers
def enclose() -> Operations:
    """Open a device, and make the root the root (chroot(2))."""
    yield Operation(Call.openat, (c.AT_FDCWD, b"/dev/null\0", FLAGS, 0), result=Slot("lamp"))
    yield Operation(Call.chroot, (b"/\0",))

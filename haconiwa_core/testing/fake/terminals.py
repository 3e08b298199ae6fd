"""Terminals, in the fake kernel (pty(7), ioctl_tty(2))."""

from __future__ import annotations

import ctypes
import errno
import struct

from haconiwa_core.linux import constants as c
from haconiwa_core.testing.fake.files import Node, Place, refuse
from haconiwa_core.testing.fake.state import State

_MULTIPLEXER = "ptmx"
_SLAVE = "terminal"


class TerminalCalls(State):
    """Calls on terminals."""

    locked = True
    """No slave can be opened until it is unlocked."""
    has_terminal = False

    def of_terminal(self, descriptor: int, request: int, argument: int) -> int:
        """Run a request of ioctl_tty(2)."""
        found = self.descriptor(descriptor)
        is_master = found.place is not None and found.place.name == _MULTIPLEXER
        if request == c.TIOCSCTTY:
            if found.kind != _SLAVE:
                refuse(errno.ENOTTY)
            if not self.leads_session or self.has_terminal:
                refuse(errno.EPERM)
            self.has_terminal = True
            return 0
        if not is_master or found.place is None:
            refuse(errno.ENOTTY)
        if request == c.TIOCSPTLCK:
            (locked,) = struct.unpack("i", ctypes.string_at(argument, 4))
            self.locked = bool(locked)
            return 0
        if self.locked:
            refuse(errno.EIO)
        return self.open(_SLAVE, Place(found.place.mount, Node(), found.place.parent, "0"))

    def _fchown(self, descriptor: int) -> None:
        self.descriptor(descriptor)
        self.need_rights()

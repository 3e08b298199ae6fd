"""Pseudoterminals: made for the container, handed to the host, and made the terminal of its session (pty(7)).

Of the two ends, the master is the host's, and the slave is the container's. The slave is opened through the master,
so that no path decides which one it is.
"""

from __future__ import annotations

import errno
import os
import struct

from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.handshake import CHANNEL, RECORD
from haconiwa_core.linux.vocabulary import Operations, advises, lowers
from haconiwa_core.operation import Buffer, Data, Operation, Slot
from haconiwa_core.stages import Stage

MASTER = Slot("terminal")
SLAVE = Slot("terminal-slave")

_HOST_HAS_NONE = "the host has no terminals to give: mount devpts on its /dev/pts, or leave out terminal"
_HAS_NONE = "what lies there in the container is no devpts of its own, and not trusted: leave out the terminal"
_OPEN = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
_DESCRIPTOR_SIZE = 4


@lowers
@advises(dict.fromkeys((errno.ENOENT, errno.ENODEV, errno.ENXIO), _HOST_HAS_NONE))
def open_terminal(path: str, *, into: Slot) -> Operations:
    """Make a terminal of the host (ptmx(4)).

    Args:
        path: of the host's multiplexer, /dev/ptmx.
        into: slot for the master.
    """
    yield Operation(Call.openat, (c.AT_FDCWD, _string(path), _OPEN, 0), result=into)


@lowers
@advises(dict.fromkeys((errno.ENOENT, errno.ELOOP, 0), _HAS_NONE))
def open_terminal_inside(path: str, *, into: Slot) -> Operations:
    """Make a terminal of the container, whose root is the process's already (ptmx(4)).

    Whatever else the container may have put there is refused: the multiplexer lies on a devpts, and no link leads to
    it.

    Args:
        path: of the multiplexer, in the container's own devpts.
        into: slot for the master.
    """
    how = struct.pack("QQQ", _OPEN, 0, c.RESOLVE_NO_MAGICLINKS | c.RESOLVE_NO_SYMLINKS)
    yield Operation(Call.openat2, (c.AT_FDCWD, _string(path), how, len(how)), result=into)
    magic = struct.pack("q", c.DEVPTS_SUPER_MAGIC)
    yield Operation(Call.fstatfs, (into, Buffer(c.STATFS_SIZE, ((0, magic),))))


@lowers
@advises({errno.ENOTTY: "what lies there is no multiplexer of terminals", errno.ENODEV: _HOST_HAS_NONE})
def open_slave(master: Slot, *, into: Slot) -> Operations:
    """Open the other end of a terminal (TIOCSPTLCK and TIOCGPTPEER in ioctl_tty(2))."""
    yield Operation(Call.ioctl, (master, c.TIOCSPTLCK, struct.pack("i", 0)))
    yield Operation(Call.ioctl, (master, c.TIOCGPTPEER, _OPEN), result=into)


@lowers
def hand_over_terminal(master: Slot) -> Operations:
    """Give the master to the host, and wait until it has set it up (SCM_RIGHTS in unix(7)); it is closed here."""
    record = RECORD.pack(Stage.SESSION, 0)
    parts = Data(struct.pack("QQ", 0, len(record)), ((0, record),))
    length = _CONTROL.size + _DESCRIPTOR_SIZE
    rights = Data(_CONTROL.pack(length, c.SOL_SOCKET, c.SCM_RIGHTS) + bytes(8), ((_CONTROL.size, master),))
    message = Data(
        struct.pack("QQQQQQQ", 0, 0, 0, 1, 0, length, 0), ((_PARTS_OFFSET, parts), (_CONTROL_OFFSET, rights))
    )
    yield Operation(Call.sendmsg, (CHANNEL, message, c.MSG_NOSIGNAL), returns=len(record))
    yield Operation(Call.close, (master,))
    yield Operation(Call.read, (CHANNEL, Buffer(1), 1), returns=1)


@lowers
def control_terminal(slave: Slot) -> Operations:
    """Make a terminal that of the session which the process leads (TIOCSCTTY in ioctl_tty(2))."""
    yield Operation(Call.ioctl, (slave, c.TIOCSCTTY, 0))


@lowers
def own_terminal(slave: Slot, uid: int) -> Operations:
    """Give a terminal to the user whom the command runs as, so that it may open it by its path (fchown(2))."""
    yield Operation(Call.fchown, (slave, uid, c.UNCHANGED_ID))


def set_terminal_size(master: int, rows: int, columns: int) -> None:
    """Tell the container how large its terminal is, and that its input is UTF-8 (TIOCSWINSZ and IUTF8).

    Args:
        master: descriptor.
        rows: 0 where nobody knows.
        columns: the same.
    """
    import termios

    termios.tcsetwinsize(master, (rows, columns))
    attributes = termios.tcgetattr(master)
    attributes[0] |= c.IUTF8
    termios.tcsetattr(master, termios.TCSANOW, attributes)


_CONTROL = struct.Struct("Qii")
"""What stands before the descriptors in a control message (struct cmsghdr in cmsg(3))."""

_PARTS_OFFSET, _CONTROL_OFFSET = 16, 32
"""Of struct msghdr (sendmsg(2))."""


def _string(text: str) -> bytes:
    return os.fsencode(text) + b"\0"

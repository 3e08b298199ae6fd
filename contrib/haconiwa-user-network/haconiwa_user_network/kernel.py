"""Files that the child makes itself: they lie in memory, and nobody else's are changed or looked for by name."""

from __future__ import annotations

import os
import stat
from enum import IntEnum

from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call, number
from haconiwa_core.linux.vocabulary import Operations, lowers
from haconiwa_core.operation import Operation, Slot

_FILE = Slot("network-file")
_FLAGS = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_HERE = b".\0"


class FileCall(IntEnum):
    """System calls that `Call` lacks."""

    fchmod = number(x86_64=91, aarch64=52)


@lowers
def write_file_in(directory: Slot, name: str, content: bytes) -> Operations:
    """Make a file that everybody may read in an opened directory (mknodat(2)).

    Args:
        directory: descriptor of a new file system's root.
        name: of the file.
        content: all of it.
    """
    yield Operation(Call.mknodat, (directory, _string(name), stat.S_IFREG | 0o644, 0))
    yield Operation(Call.openat, (directory, _string(name), _FLAGS, 0), result=_FILE)
    yield Operation(Call.write, (_FILE, content, len(content)), returns=len(content))
    # Whatever mask the caller has.
    yield Operation(FileCall.fchmod, (_FILE, 0o644))
    yield Operation(Call.close, (_FILE,))


@lowers
def take_file(directory: Slot, name: str, *, into: Slot) -> Operations:
    """Clone a file of a mounted file system into a detached mount, read-only (open_tree(2)).

    Args:
        directory: descriptor of the file system's root.
        name: of the file.
        into: slot for the mount's descriptor.
    """
    flags = c.OPEN_TREE_CLONE | c.OPEN_TREE_CLOEXEC
    yield Operation(Call.open_tree, (directory, _string(name), flags), result=into)


@lowers
def detach(directory: Slot) -> Operations:
    """Unmount a file system by its root's descriptor, and close that; clones of its files stay (umount2(2)).

    Args:
        directory: the descriptor.
    """
    yield Operation(Call.fchdir, (directory,))
    yield Operation(Call.umount2, (_HERE, c.MNT_DETACH))
    yield Operation(Call.chdir, (b"/\0",))
    yield Operation(Call.close, (directory,))


def _string(text: str) -> bytes:
    return os.fsencode(text) + b"\0"

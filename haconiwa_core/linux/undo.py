"""What an undo step may call: all that a record needs for cleaning up, without any plugin.

Each function is harmless when it is repeated, and takes nothing but plain arguments.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.cgroups import remove_own_cgroup
from haconiwa_core.linux.host import file_note, handle_note, system_call
from haconiwa_core.linux.netlink import send_own_messages
from haconiwa_core.linux.processes import end_own_process
from haconiwa_core.linux.shares import leave_share


def remove_handle(path: str) -> None:
    """Unmount a kept handle and remove its file; nothing happens where there is none (umount2(2))."""
    try:
        system_call(Call.umount2, path, c.MNT_DETACH)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise
    Path(path).unlink(missing_ok=True)


def remove_own_handle(path: str, kind: str, directory: str) -> None:
    """Remove the handle that `bind_handle` has made for an instance; nothing happens if it has made none."""
    note = handle_note(kind, directory)
    if note.exists():
        remove_handle(path)
        note.unlink()


def remove_own_file(path: str, name: str, directory: str) -> None:
    """Remove the file that `create_own_file` has made for an instance; nothing happens if it has made none."""
    note = file_note(name, directory)
    if note.exists():
        Path(path).unlink(missing_ok=True)
        note.unlink()


UNDO: dict[str, Callable[..., None]] = {
    function.__name__: function
    for function in (
        end_own_process,
        leave_share,
        remove_own_cgroup,
        remove_own_file,
        remove_own_handle,
        send_own_messages,
    )
}
"""By the name that stands in records."""

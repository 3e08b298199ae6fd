"""Trees whose files belong to others than the disk says (idmapped mounts in mount_setattr(2))."""

from __future__ import annotations

import errno
import os
import signal
import struct
from contextlib import suppress

from haconiwa_core.errors import StepError
from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.host import system_call, write_id_maps
from haconiwa_core.linux.vocabulary import Operations, advises, lowers
from haconiwa_core.operation import Data, Operation, Slot

_READY = b"\0"
_NAMESPACE_OFFSET = 24
_UNABLE = "the file system cannot be mapped, or a mount in the tree is: see mount_setattr(2) for those that can"


def open_user_namespace(users: str, groups: str) -> int:
    """Make a user namespace that no process is in, and return its descriptor (user_namespaces(7)).

    Args:
        users: lines of "inside outside count".
        groups: the same.

    Raises:
        OSError: as of unshare(2), or EPERM without the right to write such maps.
    """
    said, saying = os.pipe()
    hold, release = os.pipe()
    pid = os.fork()
    if pid == 0:
        _wait_in_user_namespace(saying, hold, release)
    try:
        os.close(saying)
        os.close(hold)
        answer = os.read(said, 4)
        if answer != _READY:
            number = int(answer or str(errno.ECHILD))
            raise StepError(number, os.strerror(number), "see /proc/sys/user/max_user_namespaces")
        write_id_maps(pid, users, groups, deny_setgroups=False)
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(said)
        os.close(release)
        # Another thread's child may hold the pipe a while longer.
        os.kill(pid, signal.SIGKILL)
        # Who ignores SIGCHLD, or reaps everything, leaves nothing to wait for.
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


@lowers
@advises({errno.EINVAL: _UNABLE})
def map_tree_ids(tree: Slot, namespace: Slot, recursive: bool) -> Operations:
    """Let files of a detached tree belong to those that their owners stand for (MOUNT_ATTR_IDMAP in mount_setattr(2)).

    What belongs to an id on the disk belongs, through the tree, to the id of the host that it stands for in the user
    namespace, and to nobody where it stands for none; what is made through the tree, the other way.

    Args:
        tree: descriptor of the tree.
        namespace: descriptor of the user namespace.
        recursive: map what is mounted below, too; all of it must be able to.
    """
    attributes = struct.pack("QQQQ", c.MOUNT_ATTR_IDMAP, 0, 0, 0)
    how = Data(attributes, ((_NAMESPACE_OFFSET, namespace),))
    flags = c.AT_EMPTY_PATH | (c.AT_RECURSIVE if recursive else 0)
    yield Operation(Call.mount_setattr, (tree, b"\0", flags, how, len(attributes)))


def _wait_in_user_namespace(saying: int, hold: int, release: int) -> None:
    """Tell when the namespace is there, in a child that runs nothing else, and stay in it until nobody waits."""
    try:
        os.close(release)
        try:
            system_call(Call.unshare, c.CLONE_NEWUSER)
        except OSError as error:
            os.write(saying, str(error.errno).encode())
            return
        os.write(saying, _READY)
        os.read(hold, 1)
    finally:
        os._exit(0)

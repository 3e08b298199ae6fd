"""Messages that a container sends to its supervisor, such as READY=1 (sd_notify(3)).

Each container has a socket of its own in its instance's directory, which nobody else may enter. Who reaches it is of
the container, or may do anything on the host: nobody else's messages can be taken for the container's.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from haconiwa_core import linux
from haconiwa_core.errors import DefinitionError, HaconiwaError, Problem, StepError
from haconiwa_core.facts import IdMap, Namespace, NewRoot
from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.host import system_call
from haconiwa_core.operation import Slot
from haconiwa_core.planning.context import Planning
from haconiwa_core.planning.plan import Plan
from haconiwa_core.plugins.catalogue import providers_of
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_supervision import Supervision

VARIABLE = "NOTIFY_SOCKET"
FILE_NAME = "notify"
INSIDE = "/run/haconiwa-notify"
"""Where the socket is mounted in a container with a root of its own."""

Told = Literal["READY", "STATUS", "STOPPING"]

_TREE = Slot("notify-socket")
_ATTRIBUTES = c.MOUNT_ATTR_RDONLY | c.MOUNT_ATTR_NOSUID | c.MOUNT_ATTR_NODEV | c.MOUNT_ATTR_NOEXEC
_PATH_LIMIT = 107
_MESSAGE_LIMIT = 4096
_STATUS_LIMIT = 256
_AT_ONCE = 16
_PAUSE = 0.05


class Notifications:
    """Takes what a container sends, on the running loop.

    No more than 320 messages a second are taken: who sends more waits. Those above 4 KiB mean nothing.

    Args:
        opened: what `bound` has returned, or another descriptor of it; closed by `close`.
        heard: called with "READY" and "STOPPING", and with "STATUS" and a text of at most 256 characters
            that is the container's own: it may hold anything.
    """

    def __init__(self, opened: socket.socket, heard: Callable[[Told, str], None]) -> None:
        self._socket = opened
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._rest: asyncio.TimerHandle | None = None
        self._listen()

    def close(self) -> None:
        """Take no more messages."""
        if self._rest:
            self._rest.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _listen(self) -> None:
        self._loop.add_reader(self._socket, self._receive)

    def _receive(self) -> None:
        self._loop.remove_reader(self._socket)
        self._rest = self._loop.call_later(_PAUSE, self._listen)
        messages = []
        with suppress(BlockingIOError):
            for _ in range(_AT_ONCE):
                # Without room for descriptors the kernel closes those that were sent along.
                messages.append(self._socket.recv(_MESSAGE_LIMIT + 1))
        for message in messages:
            if len(message) <= _MESSAGE_LIMIT:
                self._take(message)

    def _take(self, message: bytes) -> None:
        for line in message.decode(errors="replace").split("\n"):
            match line.partition("="):
                case ("READY" | "STOPPING" as what, _, "1"):
                    self._heard(what, "")
                case ("STATUS", _, text):
                    self._heard("STATUS", text[:_STATUS_LIMIT])


def bound(directory: Path) -> socket.socket:
    """Make the socket of an instance, which replaces a former one.

    A container goes on sending to the one that it was started with: a descriptor of it has to be kept for as long as
    messages are wanted.

    Args:
        directory: the instance's own.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        folder = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            with suppress(FileNotFoundError):
                os.unlink(FILE_NAME, dir_fd=folder)
            # The directory's own path may be too long for an address.
            short = f"/proc/self/fd/{folder}/{FILE_NAME}"
            made.bind(short)
            # A container's user may be any.
            os.chmod(short, 0o666)  # noqa: S103 - the directory is closed to others
        finally:
            os.close(folder)
    except OSError:
        made.close()
        raise
    return made


def environment_of(plan: Plan, directory: Path) -> dict[str, str]:
    """Return what is to be added to the environment of a container: where its socket is, if it is to send messages.

    Args:
        plan: of its start.
        directory: the instance's own; where the container has another root, it makes no difference.

    Raises:
        HaconiwaError: the path of the socket is too long for the container to use.
    """
    section = plan.container.feature(Supervision.section)
    if not (isinstance(section, Supervision) and section.ready and section.ready.notify):
        return {}
    if plan.facts.get(NewRoot):
        return {VARIABLE: INSIDE}
    path = directory / FILE_NAME
    if len(os.fsencode(path)) > _PATH_LIMIT:
        raise HaconiwaError(f"{path} is longer than the path of a socket can be; take a shorter name")
    return {VARIABLE: str(path)}


def steps(planning: Planning) -> Iterator[Step]:
    """Yield what makes the socket reachable in a container's root, while its start is planned.

    Raises:
        DefinitionError: it cannot be reached there.
    """
    if planning.entry == "attach":
        return
    if planning.mount_namespace and planning.mount_namespace.joined:
        raise _refused("cannot be reached in a mount namespace that is joined")
    if planning.facts.get(NewRoot) is None:
        return
    if not planning.own_mounts:
        raise _refused(
            "cannot be reached in another root without a mount namespace", planning.providers("Namespace mnt")
        )
    if not planning.privileged:
        raise _refused("needs CAP_SYS_ADMIN to be mounted in the root, which the caller does not have")
    yield Step(Stage.PREPARE, open_socket, Slot("directory"), into=_TREE)
    # What else is mounted there must not cover it.
    yield Step(Stage.MOUNTS, linux.attach_below_root, _TREE, INSIDE, after=(NewRoot, "mount"))


def problems_of(plan: Plan) -> Iterator[Problem]:
    """Yield what keeps a container with the host's root from its socket, whose directory is its supervisor's alone.

    Args:
        plan: of a container that is to send messages.
    """
    if plan.facts.get(NewRoot):
        return
    changed = any(planned.step.function is linux.set_uid and planned.step.arguments != (0,) for planned in plan.steps)
    mapping = plan.facts.get(IdMap)
    same = mapping and any((part.inside, part.outside) == (0, plan.host.uid) for part in mapping.users)
    mapped = any(namespace.flag == c.CLONE_NEWUSER for namespace in plan.facts.all(Namespace))
    if changed or (mapped and not same):
        text = "cannot be reached by another user than the supervisor's in the host's root"
        yield Problem(text, key="ready.notify", hint=f"add {' or '.join(providers_of(NewRoot.__name__))}")


def open_socket(directory: str) -> int:
    """Open an instance's socket as a detached tree (open_tree(2)); a step on the host.

    Args:
        directory: the instance's own.

    Raises:
        StepError: there is none.
    """
    flags = c.OPEN_TREE_CLONE | c.OPEN_TREE_CLOEXEC
    try:
        tree = system_call(Call.open_tree, c.AT_FDCWD, os.path.join(directory, FILE_NAME), flags)
    except FileNotFoundError as error:
        text = "nobody waits for its messages"
        raise StepError(
            error.errno or 0, text, "start it with a supervisor, or take another kind of readiness"
        ) from error
    how = struct.pack("QQQQ", _ATTRIBUTES, 0, c.MS_PRIVATE, 0)
    try:
        system_call(Call.mount_setattr, tree, "", c.AT_EMPTY_PATH, how, len(how))
    except OSError:
        os.close(tree)
        raise
    return tree


def _refused(text: str, hint: str = "") -> DefinitionError:
    return DefinitionError([Problem(text, key="ready.notify", hint=hint)])

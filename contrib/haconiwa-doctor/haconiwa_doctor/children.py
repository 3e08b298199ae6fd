"""Try things in throw-away children: what a child has done to itself ends with it."""

from __future__ import annotations

import errno
import os
import select
import signal
import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import PR_SET_DUMPABLE
from haconiwa_core.linux.host import system_call

Steps = Sequence[tuple[str, Callable[[], object]]]
"""What a child does, in order: what to call it, and a function that raises OSError where the kernel refuses."""

NOBODY = 65534
BECOMING = "becoming another user"

INTO_NAMESPACES = ("unshare", "writing uid_map and gid_map", BECOMING, "becoming its user 0", "making mounts private")
"""What stands before anything can be tried in namespaces."""

_PATIENCE = 10_000
_RESULT = struct.Struct("II")


class Refusal(NamedTuple):
    """What the kernel has refused.

    Args:
        step: what was tried.
        number: the errno.
    """

    step: str
    number: int

    def __str__(self) -> str:
        name = errno.errorcode.get(self.number, f"errno {self.number}")
        return f"{self.step} is {name} ({os.strerror(self.number)})"

    def remedy(self, otherwise: str) -> str:
        """Return what to do: about namespaces, if none could be made; else what is given."""
        return "see the namespaces above" if self.step in INTO_NAMESPACES else otherwise


def tried(steps: Steps, user: int | None = None) -> Refusal | None:
    """Do steps in a child of this process, which then ends.

    Args:
        steps: in order, until one is refused.
        user: a uid, which is the gid as well, that the child becomes first; None stays who calls.

    Returns:
        What was refused, None if all was done. A child that takes more than 10 seconds is killed: ETIMEDOUT.
    """
    first = [(BECOMING, lambda: become(user))] if user is not None else []
    every = [*first, *steps]
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(every, writer)
    os.close(writer)
    try:
        poll = select.poll()
        poll.register(reader, select.POLLIN)
        answer = os.read(reader, _RESULT.size) if poll.poll(_PATIENCE) else None
    finally:
        os.close(reader)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if answer is None:
        return Refusal(" and ".join(name for name, _ in every), errno.ETIMEDOUT)
    if len(answer) < _RESULT.size:
        # Killed, as by a filter of system calls.
        return Refusal(" and ".join(name for name, _ in every), errno.ECHILD)
    index, number = _RESULT.unpack(answer)
    return Refusal(every[index][0], number) if number else None


def become(user: int) -> None:
    """Become another user for good, as a program is that this user has started."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    # A process that has changed its user is closed to /proc, which such a program is not.
    system_call(Call.prctl, PR_SET_DUMPABLE, 1, 0, 0, 0)


def in_another_child(function: Callable[[], object]) -> None:
    """Call a function in a child of a child, such as the first process of a new pid namespace; what it raises counts.

    Raises:
        OSError: the function has raised it.
    """
    pid = os.fork()
    if pid == 0:
        os._exit(_number_of(function))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        number = code if code > 0 else errno.ECHILD
        raise OSError(number, os.strerror(number))


def _child(steps: Steps, writer: int) -> NoReturn:
    try:
        refused = ((index, number) for index, (_, action) in enumerate(steps) if (number := _number_of(action)))
        os.write(writer, _RESULT.pack(*next(refused, (0, 0))))
    finally:
        os._exit(0)


def _number_of(action: Callable[[], object]) -> int:
    try:
        action()
    except OSError as error:
        return error.errno or errno.EIO
    return 0

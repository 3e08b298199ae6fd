"""Things are tried in children, and nothing of it is left."""

from __future__ import annotations

import errno
import os
import signal

import pytest
from haconiwa_doctor import kernel
from haconiwa_doctor.children import BECOMING, NOBODY, Refusal, in_another_child, tried

from haconiwa_core.linux.constants import CloneFlag
from haconiwa_core.linux.host import children
from haconiwa_core.testing import needs_root


def refuse(number: int) -> None:
    raise OSError(number, os.strerror(number))


def test_the_first_refusal_is_told() -> None:
    done: list[str] = []
    steps = [("first", lambda: done.append("first")), ("second", lambda: refuse(errno.EACCES)), ("third", done.clear)]
    refusal = tried(steps)
    assert refusal == Refusal("second", errno.EACCES)
    assert str(refusal) == "second is EACCES (Permission denied)"
    assert done == []


def test_what_is_done_is_nothing() -> None:
    assert tried([]) is None
    assert tried([("nothing", lambda: None)]) is None


def test_a_child_that_is_killed_is_told() -> None:
    assert tried([("dying", lambda: os.kill(os.getpid(), signal.SIGKILL))]) == Refusal("dying", errno.ECHILD)


def test_what_a_child_of_a_child_is_refused_is_told() -> None:
    refusal = tried([("deeper", lambda: in_another_child(lambda: refuse(errno.EPERM)))])
    assert refusal == Refusal("deeper", errno.EPERM)


@needs_root
def test_nothing_is_left() -> None:
    def look() -> tuple[object, ...]:
        links = sorted((name, os.readlink(f"/proc/self/ns/{name}")) for name in os.listdir("/proc/self/ns"))
        return links, sorted(os.listdir("/proc/self/fd")), children(), os.getresuid(), os.getcwd()

    before = look()
    assert tried([("unshare", lambda: kernel.unshare(CloneFlag.CLONE_NEWNET | CloneFlag.CLONE_NEWNS))]) is None
    assert look() == before


@needs_root
def test_as_another_user() -> None:
    def check() -> None:
        if os.getresuid() != (NOBODY,) * 3 or os.getgroups():
            refuse(errno.EINVAL)

    assert tried([("looking", check)], user=NOBODY) is None
    assert tried([("unshare", lambda: kernel.unshare(CloneFlag.CLONE_NEWNET))], user=NOBODY) == Refusal(
        "unshare", errno.EPERM
    )


@needs_root
def test_who_cannot_become_another_is_told() -> None:
    """Within a user namespace that maps one id there is no nobody."""

    def look() -> None:
        kernel.unshare(CloneFlag.CLONE_NEWUSER)
        kernel.map_self(0, 0)
        refusal = tried([], user=NOBODY)
        if refusal is None or refusal.step != BECOMING:
            refuse(errno.EIO)

    assert tried([("trying within", look)]) is None


@pytest.mark.parametrize("call", [kernel.clone, kernel.close_on_exec, kernel.open_in_root, kernel.signal_pidfd])
def test_calls_that_every_start_makes(call: object) -> None:
    assert callable(call)
    assert tried([("call", call)]) is None

"""The interpreter, the kernel, and the system calls that every start makes."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

from haconiwa_core.diagnosis import Diagnosis
from haconiwa_doctor import kernel
from haconiwa_doctor.children import tried

_FILTERED = "or, in a container of another runtime, let its filter of system calls allow it"


def python() -> Iterator[Diagnosis]:
    """The interpreter that runs Haconiwa."""
    yield Diagnosis("python", "ok", f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}")


def kernel_version() -> Iterator[Diagnosis]:
    """The kernel's release."""
    yield Diagnosis("kernel", "ok", f"{platform.system()} {platform.release()} on {platform.machine()}")


class _Call(NamedTuple):
    """A system call that is tried.

    Args:
        name: of the call.
        action: makes it.
        meaning: what it is for.
        since: the kernel's release that has it.
        essential: whether every start makes it.
    """

    name: str
    action: Callable[[], object]
    meaning: str
    since: str
    essential: bool = True


_CALLS = (
    _Call("clone3", kernel.clone, "makes the container's process", "5.3"),
    _Call("close_range", kernel.close_on_exec, "no descriptor of the host's gets into the container", "5.11"),
    _Call("openat2", kernel.open_in_root, "no path of a container leads out of its root", "5.6"),
    _Call("pidfd", kernel.signal_pidfd, "a pid that has come to mean another process is noticed", "5.3"),
    _Call("PIDFD_GET_INFO", kernel.ask_pidfd, "how a process has ended is known, whoever has reaped it", "6.13", False),
)


def calls() -> Iterator[Diagnosis]:
    """What starts are made of."""
    for call in _CALLS:
        refusal = tried([(call.name, call.action)])
        if refusal is None:
            yield Diagnosis(call.name, "ok", call.meaning, essential=call.essential)
        else:
            remedy = f"run Linux {call.since} or newer, {_FILTERED}"
            meaning = f"{refusal}; without it not: {call.meaning}"
            yield Diagnosis(call.name, "missing" if call.essential else "degraded", meaning, remedy, call.essential)


CHECKS = (python, kernel_version, calls)

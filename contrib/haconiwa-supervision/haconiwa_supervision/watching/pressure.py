"""Notice that a container's processes wait for memory, processor or disk (PSI: Documentation/accounting/psi.rst)."""

from __future__ import annotations

import asyncio
import errno
import os
import select
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

from haconiwa_core.errors import HaconiwaError, Problem
from haconiwa_core.facts import CgroupPlace, Counter
from haconiwa_core.hooks.events import Event
from haconiwa_core.hooks.hook import OnPressure
from haconiwa_core.linux.constants import CAP_SYS_RESOURCE
from haconiwa_core.planning.plan import Plan
from haconiwa_core.plugins.catalogue import providers_of

_MICROSECONDS = 1_000_000
_ORDINARY_WINDOW = 2.0
_ONCE = select.EPOLLPRI | select.EPOLLONESHOT


class Pressures:
    """Triggers of any number of containers.

    They are waited for by a thread: an event is gone once the kernel has told any poll of it, and a loop would have
    to poll twice, for its own epoll and for one that can wait for EPOLLPRI.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._heard: dict[int, Callable[[], None]] = {}
        self._epoll = select.epoll()
        self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        self._epoll.register(self._stop, select.EPOLLIN)
        self._thread = Thread(target=self._wait, daemon=True)
        self._thread.start()

    def add(self, group: Path, trigger: OnPressure, heard: Callable[[], None]) -> int:
        """Add a trigger; return the number by which `remove` knows it.

        Args:
            group: directory of a control group.
            trigger: what to tell of.
            heard: called on the loop.

        Raises:
            HaconiwaError: the kernel cannot tell that.
        """
        file = group / f"{trigger.resource}.pressure"
        stall, window = (round(seconds * _MICROSECONDS) for seconds in (trigger.stall, trigger.window))
        try:
            descriptor = os.open(file, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.write(descriptor, f"{trigger.kind} {stall} {window}\0".encode())
                self._heard[descriptor] = heard
                self._epoll.register(descriptor, _ONCE)
            except OSError:
                self._heard.pop(descriptor, None)
                os.close(descriptor)
                raise
        except OSError as error:
            raise HaconiwaError(f"{file} tells of no pressure: {_reason(error)}") from error
        return descriptor

    def remove(self, number: int) -> None:
        """Remove a trigger."""
        # It is gone if its group was removed.
        if self._heard.pop(number, None):
            self._epoll.unregister(number)
            os.close(number)

    def close(self) -> None:
        """Remove all triggers, and end the thread."""
        for number in tuple(self._heard):
            self.remove(number)
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        self._epoll.close()
        os.close(self._stop)

    def _wait(self) -> None:
        while True:
            for descriptor, events in self._epoll.poll():
                if descriptor == self._stop:
                    return
                self._loop.call_soon_threadsafe(self._happened, descriptor, events)

    def _happened(self, descriptor: int, events: int) -> None:
        # Else its group was removed, and there is nothing more to come.
        if descriptor not in self._heard or events & select.EPOLLERR:
            return
        self._heard[descriptor]()
        if descriptor in self._heard:
            self._epoll.modify(descriptor, _ONCE)


def problems_of(plan: Plan) -> Iterator[Problem]:
    """Yield why hooks of a plan would wait in vain for what the kernel tells of control groups.

    Args:
        plan: of a start.
    """
    place = plan.facts.get(CgroupPlace)
    for hook in plan.hooks:
        text, hint = "", f"add {' or '.join(providers_of(CgroupPlace.__name__))}"
        match hook.trigger:
            case OnPressure() if place is None or not place.unified:
                text = "needs a control group of version 2, where pressure is told of"
            case OnPressure(stall=stall, window=window) if not 0 < stall <= window:
                text, hint = "stall must be more than 0, and not more than window", ""
            case OnPressure(window=window) if window % _ORDINARY_WINDOW and not _may_look_often(plan):
                text, hint = "without CAP_SYS_RESOURCE window must be a multiple of 2 seconds", "write window=2"
            case _ if hook.event == Event.OOM and plan.facts.get(Counter, "oom") is None:
                text = "needs a control group with a limit of memory"
            case _ if hook.event == Event.PIDS_LIMIT and place is None:
                text = "needs a control group with a limit of processes"
        if text:
            yield Problem(f"hook {hook.name}: {text}", file=hook.place.file, line=hook.place.line, hint=hint)


def _may_look_often(plan: Plan) -> bool:
    return plan.host.has_capability(CAP_SYS_RESOURCE)


def _reason(error: OSError) -> str:
    reasons = {
        errno.ENOENT: "control groups of version 1 have none",
        errno.EOPNOTSUPP: "the kernel keeps no account of it; boot with psi=1",
        errno.EINVAL: "the kernel refuses the trigger; without CAP_SYS_RESOURCE its window is a multiple of 2 s",
    }
    return reasons.get(error.errno or 0, error.strerror or str(error))

"""Wait until a container is ready, as the section `supervision` of its definition says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Protocol

from haconiwa_core.errors import HaconiwaError, describe_errno
from haconiwa_core.runtime.processes import is_readable
from haconiwa_supervision import Ready

_SHARE_OF_TIME = 0.1
"""Pauses grow to this share of what was waited already, so that a thousand who wait for long cost little."""


class NotReadyError(HaconiwaError):
    """A container has not become ready in its time, or has ended before; the message says what was missing."""


class Entered(Protocol):
    """A process whose network namespace is entered."""

    @property
    def pid(self) -> int:
        """On the host."""

    @property
    def started(self) -> int:
        """When it was started, in clock ticks since boot."""

    @property
    def pidfd(self) -> int:
        """Its descriptor."""


class Subject(Entered, Protocol):
    """The container that is waited for, as its supervisor knows it."""

    @property
    def name(self) -> str:
        """Of the instance."""

    @property
    def group(self) -> tuple[str, ...]:
        """Base and name of its control group, as in its record; empty without one."""

    @property
    def notified(self) -> asyncio.Event:
        """Set when it has sent READY=1."""

    async def run(self, command: Sequence[str]) -> int:
        """Execute a command in the container and return its exit status; cancelled, kill it.

        Raises:
            HaconiwaError: it cannot be executed.
        """


async def wait_until_ready(ready: Ready, subject: Subject) -> None:
    """Wait until all that a definition asks for has been seen once, in the order port, http, command, file, notify.

    Args:
        ready: what is asked for.
        subject: the container, whose command has been executed.

    Raises:
        NotReadyError: its time has passed, it has ended, or it cannot be looked at.
        HaconiwaError: a command cannot be executed in it.
    """
    sight = _Sight()
    looking = asyncio.ensure_future(sight.see_all(ready, subject))
    with _end_of(subject) as ended:
        try:
            await asyncio.wait((looking, ended), timeout=ready.timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
    if not looking.cancelled() and looking.exception() is None:
        return
    if is_readable(subject.pidfd, 0):
        raise NotReadyError(f"{subject.name} has ended before it was ready; {sight.missing}")
    if looking.cancelled():
        raise NotReadyError(f"{subject.name} is not ready after {ready.timeout:g} s; {sight.missing}")
    looking.result()


class _Sight:
    """What is seen of a container.

    Attributes:
        missing: what is waited for at the moment, and what it lacks.
    """

    def __init__(self) -> None:
        self.missing = ""

    async def see_all(self, ready: Ready, subject: Subject) -> None:
        """Look for one thing after the other, until nothing is missing."""
        from haconiwa_supervision.readiness.looks import looks_at

        clock = asyncio.get_running_loop()
        for what, looks in looks_at(ready, subject):
            self.missing = f"{what}: nothing is known yet"
            began = clock.time()
            try:
                async with aclosing(looks):
                    async for lack in looks:
                        self.missing = f"{what}: {lack}"
                        await asyncio.sleep(max(ready.interval, (clock.time() - began) * _SHARE_OF_TIME))
            except OSError as error:
                reason = describe_errno(error.errno or 0, error.strerror or "")
                raise NotReadyError(f"{subject.name} cannot be looked at; {what}: {reason}") from error


@contextmanager
def _end_of(subject: Subject) -> Iterator[asyncio.Future[None]]:
    """Give a future that is done when the first process has ended."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    # A loop has one reader for each descriptor, and the supervisor may have one for that of the subject.
    descriptor = os.dup(subject.pidfd)

    def tell() -> None:
        loop.remove_reader(descriptor)
        ended.set_result(None)

    loop.add_reader(descriptor, tell)
    try:
        yield ended
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)

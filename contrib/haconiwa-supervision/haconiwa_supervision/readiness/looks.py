"""What is looked at: a port, an address, a command, a file, a message.

Each kind yields what it lacks at one look after the other, and ends when that is nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from shlex import join

from haconiwa_supervision import Ready
from haconiwa_supervision.readiness import Subject

Looks = AsyncGenerator[str, None]


def looks_at(ready: Ready, subject: Subject) -> Iterator[tuple[str, Looks]]:
    """Yield what a definition asks for, and the looks at it.

    Args:
        ready: what is asked for.
        subject: the container.
    """
    if ready.port is not None:
        yield f"port {ready.port}", _port(ready.port, subject)
    if ready.http is not None:
        yield ready.http, _http(ready.http, subject)
    if ready.command:
        yield f"command {join(ready.command)!r}", _command(ready.command, subject)
    if ready.file is not None:
        yield f"file {ready.file}", _file(ready.file, subject)
    if ready.notify:
        yield "READY=1", _message(subject)


async def _port(port: int, subject: Subject) -> Looks:
    from haconiwa_supervision.readiness.listening import listening_in

    with await listening_in(subject) as listening:
        while lack := listening.lack(port):
            yield lack


async def _http(url: str, subject: Subject) -> Looks:
    from haconiwa_supervision.readiness.http import Request
    from haconiwa_supervision.readiness.listening import listening_in

    request = Request(url)
    with await listening_in(subject) as listening:
        # In a namespace that is shared, somebody else could answer.
        while lack := listening.lack(request.port) or await request.lack(subject):
            yield lack


async def _command(command: tuple[str, ...], subject: Subject) -> Looks:
    while status := await subject.run(command):
        yield f"it ends with status {status}"


async def _file(path: str, subject: Subject) -> Looks:
    from haconiwa_supervision.readiness.files import lack_of_file
    from haconiwa_supervision.threads import in_own_thread

    # A file system of the container's own may never answer (fuse(4)).
    while lack := await in_own_thread(lambda: lack_of_file(subject.pid, subject.started, path)):
        yield lack


async def _message(subject: Subject) -> Looks:
    if not subject.notified.is_set():
        yield "it was not sent"
        await subject.notified.wait()

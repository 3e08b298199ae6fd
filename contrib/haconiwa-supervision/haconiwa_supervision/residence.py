"""The life of the resident supervisor's process: its lock, its socket, its signals, its end."""

from __future__ import annotations

import asyncio
import fcntl
import os
import resource
import signal
import socket
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from haconiwa_core.errors import EXIT_SETUP, HaconiwaError
from haconiwa_core.log import Log
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.store import Store
from haconiwa_core.runtime.supervisor import control_socket
from haconiwa_supervision.requests import Requests
from haconiwa_supervision.server import Server
from haconiwa_supervision.supervisor import Supervisor

ERRORS_NAME = "errors"

_LOCK_NAME = "lock"
_BACKLOG = 1024
_IDLE = 1.0
_FIRST_PASSED_DESCRIPTOR = 3


class AlreadyRunsError(HaconiwaError):
    """Another supervisor keeps the containers of the state directory."""


def reside(store: Store, log: Log, *, until_idle: bool, ready: Callable[[], None] = lambda: None) -> int:
    """Supervise the containers of a state directory; return 0.

    Args:
        store: of the records.
        log: for messages.
        until_idle: end when there is no container and no client for a second.
        ready: called when it listens.

    Raises:
        AlreadyRunsError: another one does.
        HaconiwaError: the folder or the socket cannot be made.
    """
    folder = _own_folder(store)
    lock = _locked(folder)
    try:
        _raise_file_limit()
        listening = _passed_socket() or _bound_socket(control_socket(store.directory))
        asyncio.run(_serve(store, folder, listening, log, until_idle, ready))
    finally:
        os.close(lock)
    return 0


def detached(store: Store, *, until_idle: bool) -> int:
    """Supervise in the background; return 0 when it listens, also if another one does."""
    reader, writer = os.pipe()
    if os.fork() > 0:
        os.close(writer)
        with open(reader, encoding="utf-8") as told:
            answer = told.read()
        if answer == "ready":
            return 0
        sys.stderr.write(answer or "the supervisor has ended before it was ready\n")
        return EXIT_SETUP
    os.setsid()
    _let_go_of_streams(_own_folder(store))

    def tell(text: str) -> None:
        os.write(writer, text.encode())
        os.close(writer)

    try:
        return reside(store, Log("json"), until_idle=until_idle, ready=lambda: tell("ready"))
    except AlreadyRunsError:
        tell("ready")
        return 0
    except HaconiwaError as error:
        tell(f"{error}\n")
        return EXIT_SETUP


async def _serve(
    store: Store, folder: Path, listening: socket.socket, log: Log, until_idle: bool, ready: Callable[[], None]
) -> None:
    loop = asyncio.get_running_loop()
    ending, interrupted = asyncio.Event(), asyncio.Event()

    def interrupt() -> None:
        interrupted.set()
        ending.set()

    loop.add_signal_handler(signal.SIGTERM, ending.set)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    supervisor = Supervisor(store, folder, Plugins(), log)
    await supervisor.begin()
    server = Server(listening, Requests(supervisor).handlers(), log)
    ready()
    notify_manager("READY=1")
    watching = asyncio.ensure_future(_end_when_idle(supervisor, server, ending)) if until_idle else None
    await ending.wait()
    notify_manager("STOPPING=1")
    if interrupted.is_set():
        containers = list(supervisor.containers.values())
        await asyncio.gather(*(each.stop(reason="the supervisor was interrupted") for each in containers))
    if watching:
        watching.cancel()
    server.close()
    await supervisor.close()


async def _end_when_idle(supervisor: Supervisor, server: Server, ending: asyncio.Event) -> None:
    while not ending.is_set():
        await supervisor.idle.wait()
        await server.quiet.wait()
        await asyncio.sleep(_IDLE)
        if supervisor.idle.is_set() and server.quiet.is_set():
            ending.set()


def notify_manager(text: str) -> None:
    """Tell systemd about this process, if that has started it as a service of the type notify (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notifying:
        notifying.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        notifying.send(text.encode())


def _own_folder(store: Store) -> Path:
    """Return the folder of the supervisor's own files, which nobody else can enter."""
    folder = store.directory / ".supervisor"
    try:
        store.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise HaconiwaError(f"cannot make {folder}: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise HaconiwaError(f"{folder} must be a directory that only its owner, user {os.geteuid()}, can enter")
    return folder


def _locked(folder: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(folder / _LOCK_NAME, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise AlreadyRunsError(f"another supervisor keeps the containers of {folder.parent}") from error
    return descriptor


def _bound_socket(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        path.unlink(missing_ok=True)
        listening.bind(os.fspath(path))
        path.chmod(0o600)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise HaconiwaError(f"cannot listen on {path}: {error.strerror}") from error
    return listening


def _passed_socket() -> socket.socket | None:
    """Return the socket that systemd has passed, if it has (sd_listen_fds(3))."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    if os.environ.get("LISTEN_FDS") != "1":
        raise HaconiwaError("one socket is wanted of the service manager; name one in the .socket unit")
    os.set_inheritable(_FIRST_PASSED_DESCRIPTOR, False)
    listening = socket.socket(fileno=_FIRST_PASSED_DESCRIPTOR)
    if listening.family != socket.AF_UNIX or listening.type != socket.SOCK_SEQPACKET:
        raise HaconiwaError("the service manager's socket must be a ListenSequentialPacket= with a path")
    return listening


def _raise_file_limit() -> None:
    """Allow as many open files as may be: each container takes a few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _let_go_of_streams(folder: Path) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    errors = os.open(folder / ERRORS_NAME, flags, 0o600)
    for stream, target in enumerate((null, errors, errors)):
        os.dup2(target, stream)
    os.close(null)
    os.close(errors)

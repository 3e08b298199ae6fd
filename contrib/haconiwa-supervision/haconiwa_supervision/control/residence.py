"""The life of the resident supervisor's process: its lock, its signals, its end."""

from __future__ import annotations

import asyncio
import fcntl
import os
import resource
import signal
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from haconiwa_core.errors import EXIT_SETUP, HaconiwaError
from haconiwa_core.launch import resident as spawned
from haconiwa_core.launch.processes import LAST_DESCRIPTOR
from haconiwa_core.log import Log
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.store import Store
from haconiwa_core.runtime.supervisor import FOLDER_NAME, control_socket
from haconiwa_supervision.control.endpoint import Endpoint
from haconiwa_supervision.control.requests import Requests
from haconiwa_supervision.control.server import Server
from haconiwa_supervision.control.service import Service
from haconiwa_supervision.supervisor import Supervisor

ERRORS_NAME = "errors"

_LOCK_NAME = "lock"
_UMASK = 0o022
_IDLE = 1.0
_LAST_ANSWERS = 1.0


class AlreadyRunsError(HaconiwaError):
    """Another supervisor keeps the containers of the state directory."""


def reside(store: Store, log: Log, *, until_idle: bool) -> int:
    """Supervise the containers of a state directory; return 0.

    Args:
        store: of the records.
        log: for messages.
        until_idle: end when there is no container and no client for a second.

    Raises:
        AlreadyRunsError: another one does.
        HaconiwaError: the folder or the socket cannot be made.
    """
    with _locked_folder(store) as folder:
        _live(store, folder, log, until_idle=until_idle, ready=lambda: None)
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
        sys.stderr.write(answer or f"the supervisor has ended before it was ready; see {_folder_of(store)}\n")
        return EXIT_SETUP

    def tell(text: str) -> None:
        os.write(writer, text.encode())
        os.close(writer)

    _let_go_of_the_caller(writer)
    try:
        with _locked_folder(store) as folder:
            _write_errors_to(folder / ERRORS_NAME)
            _live(store, folder, Log("json"), until_idle=until_idle, ready=partial(tell, "ready"))
    except AlreadyRunsError:
        tell("ready")
    except HaconiwaError as error:
        tell(f"{error}\n")
        return EXIT_SETUP
    return 0


def _live(store: Store, folder: Path, log: Log, *, until_idle: bool, ready: Callable[[], None]) -> None:
    # As for the containers, which take it from here where no option says otherwise.
    os.umask(_UMASK)
    _raise_file_limit()
    service = Service()
    endpoint = Endpoint(folder, control_socket(store.directory), service.passed)
    make = partial(Supervisor, store, folder, Plugins(), log)
    try:
        asyncio.run(_serve(make, endpoint, service, ready, until_idle=until_idle))
    finally:
        endpoint.close()


async def _serve(
    make: Callable[[], Supervisor], endpoint: Endpoint, service: Service, ready: Callable[[], None], *, until_idle: bool
) -> None:
    supervisor = make()
    loop = asyncio.get_running_loop()
    ending, interrupted = asyncio.Event(), asyncio.Event()

    def interrupt() -> None:
        interrupted.set()
        ending.set()

    def fault(_loop: object, context: Mapping[str, Any]) -> None:
        supervisor.fault("", context.get("exception") or HaconiwaError(str(context["message"])))

    def tell(text: str) -> None:
        try:
            service.notify(text)
        except OSError as error:
            supervisor.fault("", HaconiwaError(f"the service manager cannot be told {text}: {error.strerror}"))

    loop.add_signal_handler(signal.SIGTERM, ending.set)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.set_exception_handler(fault)
    await supervisor.begin()
    server = Server(endpoint, Requests(supervisor).handlers(), partial(supervisor.fault, ""))
    ready()
    tell("READY=1")
    watching = asyncio.ensure_future(_end_when_idle(supervisor, server, ending)) if until_idle else None
    await ending.wait()
    tell("STOPPING=1")
    if watching:
        watching.cancel()
    server.refuse()
    if interrupted.is_set():
        await supervisor.stop_all(list(supervisor.containers), "the supervisor was interrupted")
    await server.close(_LAST_ANSWERS if interrupted.is_set() else 0.0)
    await supervisor.close()


async def _end_when_idle(supervisor: Supervisor, server: Server, ending: asyncio.Event) -> None:
    while True:
        await supervisor.idle.wait()
        await server.quiet.wait()
        await asyncio.sleep(_IDLE)
        if supervisor.idle.is_set() and server.quiet.is_set() and server.refuse_if_unused():
            ending.set()
            return


def _folder_of(store: Store) -> Path:
    return store.directory / FOLDER_NAME


@contextmanager
def _locked_folder(store: Store) -> Iterator[Path]:
    """Give the folder of the supervisor's own files, which nobody else can enter, and no other supervisor uses.

    Raises:
        AlreadyRunsError: another one does.
        HaconiwaError: it cannot be made, or others could enter it.
    """
    folder = _folder_of(store)
    for each in (store.directory, folder):
        make_private(each)
    lock = _locked(folder)
    try:
        yield folder
    finally:
        os.close(lock)


def _locked(folder: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        lock = os.open(folder / _LOCK_NAME, flags, 0o600)
    except OSError as error:
        raise HaconiwaError(f"cannot open {folder / _LOCK_NAME}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise AlreadyRunsError(f"another supervisor keeps the containers of {folder.parent}") from error
    return lock


def make_private(folder: Path) -> None:
    """Make a folder that only its owner can enter, if it is not there.

    Raises:
        HaconiwaError: it cannot be made, or others could enter it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise HaconiwaError(f"cannot make {folder}: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise HaconiwaError(f"{folder} must be a directory that only its owner, user {os.geteuid()}, can enter")


def _raise_file_limit() -> None:
    """Allow this process as many open files as may be: each container takes a few."""
    spawned.file_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    _, hard = spawned.file_limit
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _let_go_of_the_caller(kept: int) -> None:
    """Keep nothing of the caller's session, folder, signals and input but one descriptor."""
    os.setsid()
    os.chdir("/")
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    os.closerange(3, kept)
    os.closerange(kept + 1, LAST_DESCRIPTOR)


def _write_errors_to(path: Path) -> None:
    errors = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    for stream in (1, 2):
        os.dup2(errors, stream)
    os.close(errors)

"""How a worker comes to be: a process that has read a definition, and then does nothing but serve its supervisor."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from io import FileIO, TextIOWrapper
from pathlib import Path
from typing import NoReturn

from haconiwa_runtime.messages import receive, send

from haconiwa_core.container import Container
from haconiwa_core.definition.python import read_python
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.launch.processes import LAST_DESCRIPTOR
from haconiwa_core.linux.host import adopt_orphans, duplicate
from haconiwa_core.plugins.policy import permitted
from haconiwa_core.runtime.orphans import end_children
from haconiwa_supervision.hooks.serving import Functions, Serving

_CO_COROUTINE = 0x80
_UNCATCHABLE = (signal.SIGKILL, signal.SIGSTOP)
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


def main() -> NoReturn:
    """Be the worker of a definition file, the first argument; descriptor 0 is the socket of the supervisor.

    The first message is the environment.
    """
    file = sys.argv[1]
    sys.argv[1:] = []
    _work(0, partial(_read, file), file)


def fork_worker(containers: Sequence[Container]) -> socket.socket:
    """Fork a worker for containers of the running program, with the functions of their hooks.

    It has the program's memory as it is now, and nothing else of it: neither its descriptors nor its other threads.

    Args:
        containers: with different names.

    Returns:
        What the supervisor takes; the worker ends when this, and each copy of it, is closed.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        try:
            # What is garbage there is not collected here, where its descriptors mean something else.
            gc.freeze()
            os.setsid()
            # A grandchild, so that the program never has to wait for it.
            if os.fork() == 0:
                _work(theirs.fileno(), lambda _: containers, "")
        finally:
            os._exit(0)
    theirs.close()
    # A program that ignores SIGCHLD, or waits for any child, may have been faster.
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
    return ours


def _read(file: str, connection: socket.socket) -> Sequence[Container]:
    """Return the containers of a definition file, if it is a program: no other kind has functions.

    Raises:
        DefinitionError: with all problems.
    """
    greeting = receive(connection)
    os.environ.clear()
    os.environ.update(greeting.content["environment"] if greeting else {})
    if not file.endswith(".py"):
        return ()
    try:
        # Where relative paths of a definition start.
        os.chdir(Path(file).resolve().parent)
    except OSError as error:
        raise DefinitionError([Problem(f"its folder cannot be entered: {error.strerror}", file=file)]) from error
    # Where a link led when it was permitted it may lead no more.
    return read_python(permitted(Path(file)))


def _work(descriptor: int, read: Callable[[socket.socket], Sequence[Container]], file: str) -> NoReturn:
    try:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, duplicate(descriptor))
        _let_go_of_everything_but(connection.fileno())
        try:
            adopt_orphans(True)
            functions = {item.name: {hook.name: hook.function for hook in item.hooks} for item in read(connection)}
            # What it has started, and how it handles signals, is no part of a definition.
            end_children()
            reset_signals()
            _import_for(functions)
            gc.collect()
            gc.freeze()
            hooks = {name: list(names) for name, names in functions.items()}
            send(connection, {"ready": True, "containers": hooks})
            Serving(connection, functions, file).serve()
        except DefinitionError as error:
            send(connection, {"failed": str(error)})
        except BrokenPipeError:
            pass  # The supervisor has gone.
        except BaseException:  # noqa: BLE001 - nobody would see it otherwise, for this process has no streams
            import traceback

            send(connection, {"failed": traceback.format_exc()})
        end_children()
    finally:
        os._exit(0)


def _let_go_of_everything_but(kept: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    os.closerange(3, kept)
    os.closerange(kept + 1, LAST_DESCRIPTOR)
    # Those of a program may lead elsewhere, or have something of its in their buffers.
    sys.stdin = TextIOWrapper(FileIO(0, closefd=False))
    sys.stdout, sys.stderr = (
        TextIOWrapper(FileIO(stream, "w", closefd=False), errors="backslashreplace", write_through=True)
        for stream in (1, 2)
    )


def reset_signals() -> None:
    """Let no signal be blocked or handled; those that Python itself ignores stay ignored."""
    for number in signal.valid_signals().difference(_UNCATCHABLE):
        signal.signal(number, signal.SIG_IGN if number in _IGNORED_BY_PYTHON else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _import_for(functions: Functions) -> None:
    """Import asyncio here, and not in each call, if a hook is `async`."""
    codes = (getattr(function, "__code__", None) for hooks in functions.values() for function in hooks.values())
    if any(code.co_flags & _CO_COROUTINE for code in codes if code):
        import_module("asyncio")

"""Sit at the terminal of a container: what `run -it`, `attach` and `exec -it` have in common."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from haconiwa_core.errors import EXIT_SETUP, HaconiwaError, RecordError
from haconiwa_core.linux import open_process
from haconiwa_core.runtime.processes import end_of, is_readable
from haconiwa_core.runtime.store import Store
from haconiwa_core.runtime.supervisor import Start, supervisor_for
from haconiwa_runtime.client import ask_about
from haconiwa_runtime.recorded import await_record
from haconiwa_runtime.terminal.caller import STDIN, Caller, LeftError
from haconiwa_runtime.terminal.keys import DetachKeys, parse_keys
from haconiwa_runtime.terminal.remote import Brokered, Remote, connected_to

SIGNALED = 128
_POLL = 0.05
_HANGING_UP = 1.0
_TYPED = 64 << 10


class TerminalSession:
    """What `haconiwa_core.runtime.supervisor` finds by the entry point "terminal"."""

    def run(self, wanted: Start, *, takes_input: bool, detach_keys: str) -> int:
        """Start a container and sit at its terminal; see `haconiwa_core.runtime.supervisor.TerminalSession`."""
        keys = DetachKeys(parse_keys(detach_keys))
        caller = Caller(takes_input=takes_input)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with Brokered(ours) as terminal:
            with theirs:
                terminal.resize(*(caller.size() or (0, 0)))
                supervisor = supervisor_for(wanted.containers, wanted.store)
                (name,) = supervisor.start(wanted._replace(terminal=theirs.fileno()))
            return sit(wanted.store, name, terminal, caller, keys)


def sit(store: Store, name: str, terminal: Brokered, caller: Caller, keys: DetachKeys) -> int:
    """Sit at the terminal of a container until that has ended for good, or the person leaves.

    Args:
        store: with its record.
        name: of the container.
        terminal: through its broker; that of the next start follows.
        caller: of the terminal on which it is shown.
        keys: by which the person leaves.

    Returns:
        The exit status of the container, 0 when the person has left, 128 + n for a signal n that has ended this.
    """
    present: Brokered | None = terminal
    with _first_process(store, name) as first:
        try:
            with caller:
                while present is not None:
                    with present:
                        if not converse(present, caller, keys):
                            return 0
                        if present.status is not None:
                            return present.status
                    present = _next_terminal(store, name)
        except LeftError as left:
            return SIGNALED + left.number
        return _status(store, name, first)


def converse(terminal: Remote, caller: Caller, keys: DetachKeys) -> bool:
    """Hand on what is typed and show what is written; return False when the keys were typed, True at the end.

    Raises:
        LeftError: a signal ends this, or the caller's terminal has gone.
    """
    typed = b""
    if size := caller.size():
        terminal.resize(*size)
    while True:
        for descriptor in _ready(terminal, caller, typed):
            if descriptor == caller.fileno():
                caller.take_signals()
                if size := caller.size():
                    terminal.resize(*size)
            elif descriptor == STDIN:
                more, has_left = keys.take(caller.typed())
                typed += more
                if has_left:
                    _type_all(terminal, typed)
                    return False
        typed = typed[terminal.write(typed) :] if typed else typed
        shown = terminal.read()
        if shown is None:
            return True
        caller.show(shown)


def _ready(terminal: Remote, caller: Caller, typed: bytes) -> list[int]:
    poll = select.poll()
    poll.register(caller.fileno(), select.POLLIN)
    for descriptor in terminal.watched():
        poll.register(descriptor, select.POLLIN)
    if typed:
        known = select.POLLIN if terminal.writable() in terminal.watched() else 0
        poll.register(terminal.writable(), known | select.POLLOUT)
    # Also what is not taken is looked through for the keys, as long as it is not too much to keep.
    if caller.takes_input and len(typed) < _TYPED:
        poll.register(STDIN, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll()]


def _type_all(terminal: Remote, typed: bytes) -> None:
    """Type what stood before the keys, as far as it is taken at once."""
    while typed and (taken := terminal.write(typed)):
        typed = typed[taken:]


@contextmanager
def _first_process(store: Store, name: str) -> Iterator[int | None]:
    """Give a descriptor of a container's first process, None where that has ended.

    It tells how, where nobody else does.
    """
    pidfd = None
    with suppress(RecordError, ProcessLookupError):
        if child := store.read(name).child:
            pidfd = open_process(*child)
    try:
        yield pidfd
    finally:
        if pidfd is not None:
            os.close(pidfd)


def _next_terminal(store: Store, name: str) -> Brokered | None:
    """Return the terminal again, or that of the next start; None where there will be none."""
    while True:
        # A broker that ends, or has no place left, may still take connections.
        time.sleep(_POLL)
        if terminal := connected_to(store.directory / name):
            return terminal
        try:
            # The resident supervisor keeps it until it has ended for good.
            if not ask_about(store, name, "inspect"):
                return None
        except HaconiwaError:
            return None


def _status(store: Store, name: str, first: int | None) -> int:
    """Return the exit status of a container whose broker has not told it.

    Raises:
        HaconiwaError: it runs on without its broker.
    """
    if first is not None and not is_readable(first, _HANGING_UP):
        raise HaconiwaError(f"the broker of the terminal of {name} was ended, and the container runs on without one")
    told = None
    with suppress(HaconiwaError):
        await_record(store, name)
        told = store.read(name).exit_status
    if told is None and first is not None:
        told = end_of(first).exit_status
    return EXIT_SETUP if told is None else told

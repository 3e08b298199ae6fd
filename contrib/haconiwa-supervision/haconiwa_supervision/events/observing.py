"""The process of the observers: it is told every event, and tells each observer, one after the other."""

from __future__ import annotations

import os
import signal
import socket
import traceback
from collections.abc import Iterator, Mapping
from typing import NoReturn

from haconiwa_runtime.messages import receive, send

from haconiwa_core.errors import PluginError
from haconiwa_core.launch.processes import LAST_DESCRIPTOR
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.host import duplicate, system_call
from haconiwa_core.plugins.observers import Observer, installed_observers

_PR_SET_PDEATHSIG = 1
_LONGEST_TEXT = 4096


def main() -> NoReturn:
    """Serve the supervisor on descriptor 0 until that has ended.

    The first message is the environment, each other one an event; each is answered, when all is done, by what has
    failed: pairs of an observer's name and a text.
    """
    # Whatever an observer is doing then.
    system_call(Call.prctl, _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, duplicate(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.closerange(3, connection.fileno())
    os.closerange(connection.fileno() + 1, LAST_DESCRIPTOR)
    try:
        _serve(connection)
    except BrokenPipeError:
        pass  # The supervisor has gone.
    finally:
        os._exit(0)


def _serve(connection: socket.socket) -> None:
    greeting = receive(connection)
    if greeting is None:
        return
    os.environ.clear()
    os.environ.update(greeting.content["environment"])
    observers: list[Observer] = []
    send(connection, {"failed": list(_loaded(observers))})
    while message := receive(connection):
        send(connection, {"failed": list(_told(observers, message.content["event"]))})


def _loaded(observers: list[Observer]) -> Iterator[tuple[str, str]]:
    """Load all observers into a list, and yield those that could not be."""
    for entry_point in installed_observers():
        try:
            observers.append(Observer(entry_point))
        except PluginError as error:
            yield entry_point.name, str(error)[:_LONGEST_TEXT]


def _told(observers: list[Observer], event: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for observer in observers:
        try:
            observer.tell(event)
        except (Exception, SystemExit):  # noqa: BLE001 - what fails in one concerns no other
            yield observer.name, traceback.format_exc()[-_LONGEST_TEXT:]

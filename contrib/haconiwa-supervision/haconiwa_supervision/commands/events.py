"""`haconiwa events`."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser, Namespace as Options
from collections.abc import Iterable, Sequence

from haconiwa_runtime.client import Connection, EndedError, connect
from haconiwa_runtime.commands.arguments import moment

from haconiwa_core.log import Log
from haconiwa_core.runtime.store import Store
from haconiwa_core.runtime.supervisor import FOLDER_NAME, control_socket
from haconiwa_supervision.events.files import Event, read_events

HELP = "tell what has happened to the containers of the resident supervisor, as lines of JSON"

_POLL = 0.1
"""Seconds until a supervisor that does not answer is looked for again."""


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("names", metavar="NAME", nargs="*", help="of a container; all by default")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what happens, until interrupted")
    parser.add_argument(
        "--since",
        type=moment,
        metavar="TIME",
        help="what has happened in the last 90s, 10m, 2h or 1d, or since a time like 2026-01-31T12:00:00Z",
    )


def main(options: Options, log: Log) -> int:
    """Print events that are kept, and those that follow; return 0."""
    store = Store()
    shown = _Shown(options.names, options.since.timestamp() if options.since else 0.0)
    shown.print(read_events(store.directory / FOLDER_NAME))
    while options.follow:
        connection = connect(control_socket(store.directory))
        if connection is None:
            time.sleep(_POLL)
        else:
            with connection:
                _follow(connection, shown)
    return 0


def _follow(connection: Connection, shown: _Shown) -> None:
    """Print what a supervisor tells until it ends, or does not want to wait; the next one is asked for the rest."""
    try:
        connection.ask("events", names=shown.names, after=shown.last)
        for content in connection.all():
            shown.print(content["events"])
    except EndedError:
        return


class _Shown:
    """What is printed, each event once.

    Args:
        names: of containers; of all where there are none.
        since: seconds since the epoch.

    Attributes:
        last: the id of the last event that has been seen.
    """

    def __init__(self, names: Sequence[str], since: float) -> None:
        self.names = names
        self.last = 0
        self._since = since

    def print(self, events: Iterable[Event]) -> None:
        """Print the lines of events that are wanted."""
        for event in events:
            self.last = event["id"]
            if event["time"] >= self._since and (not self.names or event["container"] in self.names):
                sys.stdout.write(json.dumps(event, separators=(",", ":")) + "\n")
        sys.stdout.flush()

"""`haconiwa logs`."""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.errors import RecordError
from haconiwa_core.linux.host import LOG_NAME
from haconiwa_core.log import Log
from haconiwa_core.runtime.store import Store
from haconiwa_runtime.recorded import find

HELP = "print what a container has written to its log"

_CHUNK = 1 << 16
_POLL = 0.05


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the container has ended")


def main(options: Options, log: Log) -> int:
    """Copy the log to standard output, byte for byte; return 0."""
    store = Store()
    find(store, options.name)
    try:
        source = os.open(store.directory / options.name / LOG_NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError as error:
        raise RecordError(f"the container {options.name} has no log: its output goes elsewhere") from error
    with open(source, "rb", buffering=0) as file:
        while True:
            # Asked before the copy: what was written until then is copied.
            goes_on = options.follow and _writes(store, options.name)
            while chunk := file.read(_CHUNK):
                _write(chunk)
            if not goes_on:
                return 0
            time.sleep(_POLL)


def _writes(store: Store, name: str) -> bool:
    return name in store.names() and find(store, name).state not in ("exited", "lost")


def _write(chunk: bytes) -> None:
    while chunk:
        chunk = chunk[os.write(1, chunk) :]

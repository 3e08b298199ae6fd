"""`haconiwa attach`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.cli.arguments import add_detach_keys
from haconiwa_core.errors import HaconiwaError
from haconiwa_core.log import Log
from haconiwa_core.runtime.store import Store
from haconiwa_runtime.recorded import find
from haconiwa_runtime.terminal.caller import Caller
from haconiwa_runtime.terminal.keys import DetachKeys, parse_keys
from haconiwa_runtime.terminal.remote import connected_to
from haconiwa_runtime.terminal.session import sit

HELP = "sit at the terminal of a container that runs"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--no-stdin", action="store_true", help="show what it writes only")
    add_detach_keys(parser)


def main(options: Options, log: Log) -> int:
    """Sit at the terminal; return the exit status of the container, 0 when the person leaves before it ends."""
    store, name = Store(), options.name
    keys = DetachKeys(parse_keys(options.detach_keys))
    found = find(store, name)
    if not found.record.container.get("terminal"):
        raise HaconiwaError(
            f"the container {name} has no terminal; `haconiwa logs -f {name}` shows what it writes,"
            f" `haconiwa exec -it {name} -- sh` runs a command at a terminal in it"
        )
    process = found.child
    caller = Caller(takes_input=not options.no_stdin)
    terminal = connected_to(store.directory / name)
    if terminal is None:
        raise HaconiwaError(
            f"nobody keeps the terminal of {name} for others: the program that has started it has it, or its broker"
            f" was ended; its first process is {process.pid}"
        )
    return sit(store, name, terminal, caller, keys)

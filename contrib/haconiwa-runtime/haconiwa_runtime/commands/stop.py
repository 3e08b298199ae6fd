"""`haconiwa stop`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.log import Log
from haconiwa_core.runtime.store import Store
from haconiwa_runtime.client import ask_to_stop
from haconiwa_runtime.commands.arguments import add_names, chosen, each_name, seconds
from haconiwa_runtime.recorded import stop

_AT_ONCE = 64

HELP = "end containers: SIGTERM, then SIGKILL for all of them that is left"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_names(parser, all=True)
    parser.add_argument("-t", "--time", type=seconds, default=10.0, metavar="SECONDS", help="between the two; 10")


def main(options: Options, log: Log) -> int:
    """Stop containers; return 0 if all have ended."""
    store = Store()
    names = chosen(options, store)
    ask_to_stop(store, names, options.time)
    # Of those that have been stopped, this waits for nothing any more.
    return each_name(names, log, lambda name: stop(store, name, options.time), at_once=_AT_ONCE)

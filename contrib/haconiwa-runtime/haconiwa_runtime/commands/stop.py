"""`haconiwa stop`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.log import Log
from haconiwa_core.runtime.store import Store
from haconiwa_runtime.commands.arguments import add_names, each_name, seconds
from haconiwa_runtime.recorded import stop

HELP = "end containers: SIGTERM, then SIGKILL for all of them that is left"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_names(parser)
    parser.add_argument("-t", "--time", type=seconds, default=10.0, metavar="SECONDS", help="between the two; 10")


def main(options: Options, log: Log) -> int:
    """Stop containers; return 0 if all have ended."""
    store = Store()
    return each_name(options, log, lambda name: stop(store, name, options.time))

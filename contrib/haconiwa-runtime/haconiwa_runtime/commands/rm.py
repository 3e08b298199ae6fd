"""`haconiwa rm`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.log import Log
from haconiwa_core.runtime.store import Store
from haconiwa_runtime.commands.arguments import add_names, each_name
from haconiwa_runtime.recorded import remove

HELP = "forget containers that have ended, with their logs"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_names(parser)
    parser.add_argument("-f", "--force", action="store_true", help="kill them first if they run")


def main(options: Options, log: Log) -> int:
    """Forget containers; return 0 if all are gone."""
    store = Store()
    return each_name(options.names, log, lambda name: remove(store, name, force=options.force))

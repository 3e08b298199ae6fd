"""`haconiwa wait`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.cli.output import print_line
from haconiwa_core.log import Log
from haconiwa_core.runtime.store import Store
from haconiwa_runtime.commands.arguments import add_names, each_name
from haconiwa_runtime.recorded import wait

HELP = "wait until containers have ended, and print their exit statuses"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_names(parser)


def main(options: Options, log: Log) -> int:
    """Print each exit status, "unknown" where nobody knows it any more; return 0 if all were found."""
    store = Store()

    def print_status(name: str) -> None:
        status = wait(store, name)
        print_line("unknown" if status is None else str(status))

    return each_name(options.names, log, print_status)

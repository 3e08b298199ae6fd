"""`haconiwa wait`."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.cli.arguments import add_format
from haconiwa_core.cli.output import print_line
from haconiwa_core.log import Log
from haconiwa_core.runtime.store import Store
from haconiwa_runtime.commands.arguments import add_names, each_name
from haconiwa_runtime.recorded import wait

HELP = "wait until containers have ended, and print their exit statuses"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_names(parser)
    add_format(parser)


def main(options: Options, log: Log) -> int:
    """Print each exit status, "unknown" where nobody knows it any more; return 0 if all were found.

    As JSON each container is an object on a line of its own, which also has the reason.
    """
    store = Store()

    def print_end(name: str) -> None:
        status, reason, _, certainty = wait(store, name)
        if options.format == "json":
            told = {"name": name, "exit_status": status, "reason": reason, "certainty": certainty}
            print_line(json.dumps(told))
        else:
            print_line("unknown" if status is None else str(status))

    return each_name(options.names, log, print_end)

"""`haconiwa signal`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.log import Log

HELP = "run the hooks that a container has for a signal: signal NAME USR1"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("name", metavar="NAME", help="of a container that the resident supervisor keeps")
    parser.add_argument("signal", metavar="SIGNAL", help="such as USR1 or SIGUSR1; `haconiwa kill` is for processes")


def main(options: Options, log: Log) -> int:
    """Run the hooks, and wait until they have ended; return 0."""
    from haconiwa_core.runtime.store import Store
    from haconiwa_supervision.commands.asking import asked

    name = options.signal.upper()
    asked(Store(), options.name, "signal", signal=name if name.startswith("SIG") else f"SIG{name}")
    return 0

"""`haconiwa call`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace as Options

from haconiwa_core.log import Log

HELP = "run a command of a container's hooks, and print what it returns: call NAME COMMAND --arg KEY=VALUE"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("name", metavar="NAME", help="of a container that the resident supervisor keeps")
    parser.add_argument("called", metavar="COMMAND", help="as its definition declares it with on_call")
    parser.add_argument("--arg", dest="args", action="append", default=[], type=_argument, metavar="KEY=VALUE")


def main(options: Options, log: Log) -> int:
    """Run the hook, and print what it returns: a text as it is, nothing for None, all else as JSON; return 0."""
    from haconiwa_core.cli.output import print_json
    from haconiwa_core.runtime.store import Store
    from haconiwa_supervision.commands.asking import asked

    value = asked(Store(), options.name, "call", command=options.called, args=dict(options.args))
    if isinstance(value, str):
        sys.stdout.write(f"{value}\n")
    elif value is not None:
        print_json(value)
    return 0


def _argument(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ArgumentTypeError(f"{text!r} must be KEY=VALUE")
    return key, value

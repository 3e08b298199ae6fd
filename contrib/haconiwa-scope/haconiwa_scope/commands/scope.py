"""`haconiwa scope`."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.log import Log

HELP = "run another verb in a systemd scope whose control groups are its own: scope run web.toml"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("--unit", metavar="NAME", default="", help="name the scope NAME.scope")
    parser.add_argument("--user", dest="manager", action="store_const", const="user", help="ask the user's own manager")
    parser.add_argument("--system", dest="manager", action="store_const", const="system", help="ask the system's")
    parser.add_argument("verb", metavar="VERB", help="what to do there")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="what the verb takes")


def main(options: Options, log: Log) -> int:
    """Enter a scope, do what the verb does there, in this process, and return its exit status."""
    from haconiwa_core.cli.main import main as run
    from haconiwa_scope import enter

    enter(options.unit, manager=options.manager)
    general = ["--log-format", options.log_format, *(["--debug"] if options.debug else [])]
    inside = ["--", *options.command] if options.command else []
    return run([*general, options.verb, *options.arguments, *inside])

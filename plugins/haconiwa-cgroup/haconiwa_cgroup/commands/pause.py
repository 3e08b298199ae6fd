"""`haconiwa pause`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_cgroup.commands.freezing import add_names, set_each
from haconiwa_core.log import Log

HELP = "freeze all processes of containers, until `unpause`"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_names(parser)


def main(options: Options, log: Log) -> int:
    """Freeze containers; return 0 if all are frozen."""
    return set_each(options, log, frozen=True)

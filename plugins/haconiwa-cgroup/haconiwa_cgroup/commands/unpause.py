"""`haconiwa unpause`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_cgroup.commands.freezing import add_names, set_each
from haconiwa_core.log import Log

HELP = "let the processes of paused containers go on"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_names(parser)


def main(options: Options, log: Log) -> int:
    """Thaw containers; return 0 if all go on."""
    return set_each(options, log, frozen=False)

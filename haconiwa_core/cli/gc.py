"""`haconiwa gc`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.errors import EXIT_SETUP
from haconiwa_core.log import Log

HELP = "clean up after containers whose supervisor is gone; forget those that have ended"


def configure(parser: ArgumentParser) -> None:
    """Add nothing."""


def main(options: Options, log: Log) -> int:
    """Clean up; return 0 if nothing is left of any container without a supervisor."""
    from haconiwa_core.runtime.cleanup import collect
    from haconiwa_core.runtime.store import Store

    problems = [found for found in collect(Store()) if found.problem]
    for found in problems:
        log.error(f"{found.name}: {found.problem}")
    return EXIT_SETUP if problems else 0

"""`haconiwa gc`."""

from __future__ import annotations

from argparse import Namespace as Options

from haconiwa_core.errors import EXIT_SETUP
from haconiwa_core.log import Log
from haconiwa_core.runtime.cleanup import collect
from haconiwa_core.runtime.record import Store


def main(options: Options, log: Log) -> int:
    """Clean up; return 0 if nothing is left of any container without a supervisor."""
    problems = [found for found in collect(Store()) if found.problem]
    for found in problems:
        log.error(f"{found.name}: {found.problem}")
    return EXIT_SETUP if problems else 0

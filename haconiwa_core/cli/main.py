"""Where the command line begins. What it imports is imported with the rare modules postponed."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from haconiwa_core.cli.postponed import rare_modules_postponed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Args:
        arguments: without the program's name; those of the process by default.
    """
    with rare_modules_postponed():
        from haconiwa_core.cli.line import run_line

        return run_line(list(sys.argv[1:] if arguments is None else arguments))

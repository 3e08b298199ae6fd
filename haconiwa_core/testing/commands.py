"""The command line, as a test runs it in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path


def haconiwa_command(*folders: Path) -> list[str]:
    """Return the beginning of a command line, to which a verb and its arguments are added.

    Args:
        folders: with distributions as an installer leaves them, found before all others. `PYTHONPATH` would
            not do: root does not follow it.
    """
    added = list(map(str, folders))
    program = f"import sys; sys.path[:0] = {added}; from haconiwa_core.cli.main import main; sys.exit(main())"
    return [sys.executable, "-I", "-c", program]

"""Other interpreters, which import from where this one does."""

from __future__ import annotations

import sys
from collections.abc import Sequence

# The mask comes first: bytecode that is written by the way must not be for everybody to write.
_CALL = (
    "import os, sys; os.umask(0o022); end = 2 + int(sys.argv[1]); sys.path[:] = sys.argv[2:end]; del sys.argv[1:end];"
    " from {} import main; sys.exit(main())"
)


def python_calling(module: str, *arguments: str, path: Sequence[str] | None = None) -> list[str]:
    """Return the command of an interpreter that calls the function `main` of a module.

    Nobody decides what it imports who has not decided it for this process: neither its environment nor where it
    stands counts (`python -I`).

    Args:
        module: by name.
        arguments: what it finds in `sys.argv`.
        path: the folders that it imports from; by default those of this process.
    """
    folders = [folder for folder in (sys.path if path is None else path) if folder]
    return [sys.executable, "-I", "-c", _CALL.format(module), str(len(folders)), *folders, *arguments]

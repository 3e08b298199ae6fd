"""A fresh interpreter for a part of this package: without the caller's environment."""

from __future__ import annotations

import os
import sys

INTERPRETER = (sys.executable, "-P", "-s")
"""The program and its first arguments."""


def environment() -> dict[str, str]:
    """Return its environment: it imports from where this process does."""
    return {"PYTHONPATH": os.pathsep.join(path for path in sys.path if os.path.isabs(path))}

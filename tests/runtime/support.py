"""What the tests of the Python interface share."""

from __future__ import annotations

import time
from pathlib import Path

from haconiwa_core import Container


def shell(script, *features, **fields):
    return Container("test", ["sh", "-c", script], features, **fields)


def no_process_has(argument):
    """Whether no process has this argument; what was killed may need a moment to go."""
    for _ in range(200):
        found = [path for path in Path("/proc").glob("[0-9]*/cmdline") if argument.encode() in content_of(path)]
        if not found:
            return True
        time.sleep(0.01)
    return False


def content_of(path):
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""

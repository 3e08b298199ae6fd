"""What the host does."""

from __future__ import annotations

import os

from haconiwa_core import linux


def make_mark(path: str, note: str, directory: str) -> None:
    """Make the file."""
    descriptor = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    linux.create_own_file(path, note.encode(), "mark", directory)
    os.close(descriptor)


def write_mark(path: str, note: str) -> None:
    """Replace what the file says."""
    with open(path, "w") as file:
        file.write(note)

"""Root directories for tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def busybox_root(directory: Path) -> Path:
    """Make a small root with a shell: the host's static busybox and the usual empty directories.

    Args:
        directory: made if it is missing. A test that uses it is marked `needs_program("busybox")`.
    """
    program = shutil.which("busybox")
    assert program is not None, "the test lacks the mark needs_program('busybox')"
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    # pytest's own directories are private; the container's user must be able to walk its root.
    directory.chmod(0o755)
    shutil.copy(program, directory / "bin" / "busybox")
    for applet in ("sh", "cat", "ls", "echo", "id", "pwd", "readlink", "sleep", "stat", "touch", "mkdir", "true"):
        os.symlink("busybox", directory / "bin" / applet)
    return directory

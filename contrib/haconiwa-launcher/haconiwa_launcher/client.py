"""The static launcher: a resident program of a few kilobytes that clones containers for this process."""

from __future__ import annotations

import os

from haconiwa_core.launch.resident import ResidentLauncher, sealed, spawn
from haconiwa_launcher import executable


class HelperLauncher(ResidentLauncher):
    """Starts programs through the helper, which is read once, and run from memory."""

    name = "helper"

    def __init__(self) -> None:
        super().__init__()
        self._image: bytes | None = None

    def _spawn(self, connection: int) -> int:
        if self._image is None:
            self._image = executable().read_bytes()
        # From a sealed memory file: the program on disk is out of every container's reach.
        program = sealed("haconiwa-launcher", self._image)
        try:
            return spawn(f"/proc/self/fd/{program}", ["haconiwa-launcher"], connection)
        finally:
            os.close(program)

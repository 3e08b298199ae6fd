"""The zygote launcher: a lean interpreter that clones containers, where no compiled launcher is installed."""

from __future__ import annotations

import sys
from pathlib import Path

from haconiwa_core.launch.resident import ResidentLauncher, spawn

# The core comes from where this process has it from, so nobody decides about it who has not already;
# behind the standard library, so that nothing beside the core takes the place of a module of that.
_SERVE = "import sys; sys.path.append(sys.argv[1]); from haconiwa_core.launch.serve import main; main()"


class ZygoteLauncher(ResidentLauncher):
    """Starts programs through an interpreter without site packages (`python -I -S`)."""

    name = "zygote"

    def _spawn(self, connection: int) -> int:
        folder = Path(__file__).parents[2]
        return spawn(sys.executable, [sys.executable, "-I", "-S", "-c", _SERVE, str(folder)], connection)

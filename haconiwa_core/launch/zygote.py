"""The zygote launcher: a lean interpreter that clones containers, where no compiled launcher is installed."""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

from haconiwa_core.launch.resident import ResidentLauncher, spawn
from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.host import system_call

# The core comes from where this process has it from, so nobody decides about it who has not already;
# behind the standard library, so that nothing beside the core takes the place of a module of that.
# The mask comes first: bytecode that is written by the way must not be for everybody to write.
_SERVE = (
    "import os, sys; os.umask(0o022); sys.path.append(sys.argv[1]); from haconiwa_core.launch.serve import main; main()"
)


class ZygoteLauncher(ResidentLauncher):
    """Starts programs through an interpreter without site packages (`python -I -S`)."""

    name = "zygote"

    def _spawn(self, connection: int) -> int:
        folder = Path(__file__).parents[2]
        arguments = [sys.executable, "-I", "-S", "-c", _SERVE, str(folder)]
        if os.geteuid() != 0:
            return spawn(sys.executable, arguments, connection)
        # What runs as root while a container looks on is found at /proc/PID/exe: from a read-only mount of
        # its own, the host's interpreter cannot be overwritten there (CVE-2019-5736 is what happens else).
        program = _read_only(os.path.realpath(sys.executable))
        try:
            return spawn(f"/proc/self/fd/{program}", arguments, connection)
        finally:
            os.close(program)


def _read_only(path: str) -> int:
    """Return a descriptor of a file in a read-only mount that nobody else has (open_tree(2), mount_setattr(2))."""
    program = system_call(Call.open_tree, c.AT_FDCWD, path, c.OPEN_TREE_CLONE | c.OPEN_TREE_CLOEXEC)
    how = struct.pack("QQQQ", c.MOUNT_ATTR_RDONLY, 0, 0, 0)
    system_call(Call.mount_setattr, program, "", c.AT_EMPTY_PATH, how, len(how))
    return program

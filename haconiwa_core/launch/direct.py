"""The direct launcher: fork this process; the single-threaded copy runs the program.

It needs nothing but this interpreter and serves tests and debugging. The container's first
process is cloned with CLONE_PARENT, so it is this process's child and not the launcher's.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from contextlib import suppress

from haconiwa_core.launch.interpreter import Kernel, Memory, linux_kernel
from haconiwa_core.launch.processes import LAST_DESCRIPTOR, run_processes
from haconiwa_core.program import Program


class DirectLauncher:
    """Starts programs by forking this process.

    Args:
        kernel: runs the calls; the running kernel by default.
    """

    name = "direct"

    def __init__(self, kernel: Kernel | None = None) -> None:
        self._kernel = kernel or linux_kernel()

    def launch(self, program: Program, descriptors: dict[str, int]) -> socket.socket:
        """Start a program and return the host's end of its channel; see `choice.Launcher`."""
        return launch(program, descriptors, self._kernel)

    def close(self) -> None:
        """Do nothing: every start has its own process, which has ended."""


def launch(program: Program, descriptors: dict[str, int], kernel: Kernel) -> socket.socket:
    """Start a program and return the channel on which its processes report.

    Args:
        program: of a plan.
        descriptors: what the slots of the program hold, by name; "channel" is added.
        kernel: runs the calls.

    Returns:
        The host's end of the channel. First comes a record with pidfd for each process that is
        cloned, in any order with the reports of that process.

    Raises:
        OSError: no socket or no process could be made.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    values = {**descriptors, "channel": theirs.fileno()}
    slots = [values.get(name, -1) for name in program.slots]
    memory = Memory(program.data)
    keep = sorted(set(values.values()))
    places = (program.slots.index("clone"), program.slots.index("pidfd"))
    pid = os.fork()
    if pid == 0:
        try:
            _close_all_but(keep)
            run_processes(program.processes, memory, slots, places, theirs.fileno(), kernel)
        finally:
            os._exit(0)
    theirs.close()
    # A host program that ignores SIGCHLD, or reaps everything, leaves nothing to wait for.
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
    return ours


def _close_all_but(keep: Iterable[int]) -> None:
    """Close what other threads of the host have open, first of all the ends of other channels."""
    start = 0
    for descriptor in (0, 1, 2, *keep):
        if descriptor > start:
            os.closerange(start, descriptor)
        start = max(start, descriptor + 1)
    os.closerange(start, LAST_DESCRIPTOR)

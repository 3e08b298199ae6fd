"""A kernel that lets the runtime be killed at one call, to be handed to a start; its processes inherit it."""

from __future__ import annotations

import mmap
import os
import signal
import time

from haconiwa_core.launch.interpreter import linux_kernel
from haconiwa_core.linux.calls import Call


class KillAt:
    """After the call of this number, whoever made it waits until the runtime has been killed, and goes on.

    An execve is announced before it is made. The killer is another process: the one that made the
    call may be in a pid namespace that does not know the runtime.
    """

    def __init__(self, call: int) -> None:
        self._call = call
        self._kernel = linux_kernel()
        self._count = 0
        self._memory = mmap.mmap(-1, 2)

    def __call__(self, number: int, *arguments: int) -> int:
        self._count += 1
        if self._count != self._call:
            return self._kernel(number, *arguments)
        if number == Call.execve:
            self._announce()
        result = self._kernel(number, *arguments)
        self._announce()
        return result

    def _announce(self) -> None:
        self._memory[0] = 1
        while not self._memory[1]:
            time.sleep(0.0002)

    def kill(self, runtime: int) -> int:
        """Wait for the call, kill the runtime, and return its exit code; any other if it ends before."""
        pid = 0
        while not self._memory[0] and not pid:
            time.sleep(0.0002)
            pid, status = os.waitpid(runtime, os.WNOHANG)
        if not pid:
            os.kill(runtime, signal.SIGKILL)
            pid, status = os.waitpid(runtime, 0)
        self._memory[1] = 1
        return os.waitstatus_to_exitcode(status)

"""The process that a detached container leaves behind: it waits for the end, and cleans up.

A program of its own: python -I -S watch.py DIRECTORY CLAIM PID PIDFD REMOVE BROKER FOLDER...
While it waits it has imported nothing, so that a thousand of them are small.
"""

import os
import sys

_WALL = 0x40000000


def main() -> None:
    """Wait until the container has ended, and finish it as its parent."""
    directory, claim, pid, pidfd, remove, broker = sys.argv[1], *map(int, sys.argv[2:7])
    _reap_until(pid)
    # Bytecode that is written by the way must not be for everybody to write.
    os.umask(0o022)
    sys.path[:0] = sys.argv[7:]

    from pathlib import Path

    from haconiwa_core.runtime.orphans import end_children
    from haconiwa_core.runtime.running import Running
    from haconiwa_core.runtime.store import Claim, Store

    path = Path(directory)
    record = Store(path.parent).read(path.name)
    running = Running(Claim(path, claim), record, pid, pidfd)
    try:
        running.finish(remove=bool(remove))
    finally:
        if broker >= 0:
            import socket

            from haconiwa_runtime.terminal.spawning import tell_status

            kept = socket.socket(fileno=broker)
            tell_status(kept, running.end.exit_status if running.end else None)
            # It is a child of this process, too, and has something to do first.
            kept.recv(1)
        end_children()


def _reap_until(pid: int) -> None:
    """Reap what the container leaves behind, until its first process has ended; that one is not reaped."""
    while True:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | _WALL)
        if ended is None or ended.si_pid == pid:
            return
        os.waitpid(ended.si_pid, _WALL)


if __name__ == "__main__":
    main()

"""Make a socket in the namespaces of a process, and hand it over.

A program of its own, python -I -S inside.py PIDFD FAMILY KIND PROTOCOL, with a connection as its standard input: who
has threads can enter no user namespace (setns(2)). It answers with the errno, and the socket where that is 0.
"""

from __future__ import annotations

import ctypes
import socket
import sys

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


def main() -> None:
    """Be that program."""
    pidfd, family, kind, protocol = map(int, sys.argv[1:])
    libc = ctypes.CDLL(None, use_errno=True)
    with socket.socket(fileno=0) as connection:
        refused = libc.setns(pidfd, _CLONE_NEWUSER | _CLONE_NEWNET) and ctypes.get_errno()
        if refused:
            connection.send(bytes([refused]))
        else:
            with socket.socket(family, kind, protocol) as made:
                socket.send_fds(connection, [bytes(1)], [made.fileno()])


if __name__ == "__main__":
    main()

"""What a service manager, such as systemd, gives to this process, and is told by it."""

from __future__ import annotations

import os
import socket

from haconiwa_core.errors import HaconiwaError

_FIRST_DESCRIPTOR = 3


class Service:
    """This process as a service. What it was given by the environment is taken from there: it concerns no child.

    Raises:
        HaconiwaError: it was given more than one socket.
    """

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        pid, number = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
        os.environ.pop("LISTEN_FDNAMES", None)
        self.passed: socket.socket | None = None
        """The socket on which it listens (sd_listen_fds(3)), if it was given one."""
        if pid != str(os.getpid()):
            return
        if number != "1":
            raise HaconiwaError("one socket is wanted of the service manager; name one in the .socket unit")
        os.set_inheritable(_FIRST_DESCRIPTOR, False)
        self.passed = socket.socket(fileno=_FIRST_DESCRIPTOR)

    def notify(self, text: str) -> None:
        """Tell the service manager about this process, if it wants that (sd_notify(3)).

        Raises:
            OSError: it cannot be told.
        """
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifying:
            notifying.connect(f"\0{self._address[1:]}" if self._address.startswith("@") else self._address)
            notifying.send(text.encode())

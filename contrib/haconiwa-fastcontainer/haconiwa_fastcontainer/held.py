"""What a front has of its keeper: the sockets that listen already, and a way to hand over more."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from haconiwa_core.errors import HaconiwaError

CHANNEL = "HACONIWA_KEEPER"
"""Environment variable with the descriptor on which a front and its keeper talk."""

READY, KEEP, ANOTHER, END, FAILED = b"ready", b"keep ", b"another", b"end", b"failed"
"""What the two tell each other; after "keep " comes a name, and a socket goes with it."""

LARGEST = 4096


class Held:
    """What a front has of its keeper: sockets by name, and the way to hand over more.

    Args:
        channel: to the keeper; None for a front that has none.

    Attributes:
        other_has_failed: whether the front that was asked for last could not begin to serve.
    """

    def __init__(self, channel: socket.socket | None) -> None:
        self._channel = channel
        self.other_has_failed = False
        self._sockets: dict[str, socket.socket] = {}
        while channel:
            data, descriptors, _, _ = socket.recv_fds(channel, LARGEST, 1)
            if not descriptors:
                break
            self._sockets[data.decode()] = socket.socket(fileno=descriptors[0])

    @staticmethod
    def of_this_process() -> Held:
        """Return what this process was given when it was started."""
        number = os.environ.pop(CHANNEL, "")
        if not number:
            return Held(None)
        channel = socket.socket(fileno=int(number))
        channel.set_inheritable(False)
        return Held(channel)

    def socket(self, name: str, make: Callable[[str], socket.socket]) -> socket.socket:
        """Return the socket of a name: the one that is held, or a new one, which is held from now on.

        Args:
            name: an address.
            make: opens the socket of a name.
        """
        if name not in self._sockets:
            opened = self._sockets[name] = make(name)
            if self._channel:
                socket.send_fds(self._channel, [KEEP + name.encode()], [opened.fileno()])
        self._sockets[name].setblocking(False)
        return self._sockets[name]

    def ask_for_another(self) -> None:
        """Have another front started, in whose favour this one ends when it serves.

        Raises:
            HaconiwaError: this front has no keeper.
        """
        self.other_has_failed = False
        self._ask(ANOTHER)

    def ask_to_end(self) -> None:
        """Have this front ended, and no other started; errors are those of `ask_for_another`."""
        self._ask(END)

    def _ask(self, text: bytes) -> None:
        if self._channel is None:
            raise HaconiwaError("this front has no keeper")
        self._channel.send(text)

    def tell_ready(self, gone: Callable[[], None]) -> None:
        """Tell the keeper that this front serves, in its event loop.

        Args:
            gone: called when the keeper has ended.
        """
        if self._channel:
            import asyncio

            self._channel.send(READY)
            asyncio.get_running_loop().add_reader(self._channel, self._hear, gone)

    def _hear(self, gone: Callable[[], None]) -> None:
        import asyncio

        assert self._channel is not None
        if self._channel.recv(LARGEST) == FAILED:
            self.other_has_failed = True
            return
        asyncio.get_running_loop().remove_reader(self._channel)
        gone()

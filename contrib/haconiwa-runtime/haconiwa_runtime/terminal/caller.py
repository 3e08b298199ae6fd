"""The terminal of the caller: raw while somebody sits at another one, and as it was in every way out."""

from __future__ import annotations

import os
import signal
import socket
import termios
import tty
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from haconiwa_core.errors import HaconiwaError

STDIN, STDOUT = 0, 1

_ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
_READ = 4096


class LeftError(Exception):
    """The caller is to end, or its terminal has gone; what it sits at goes on.

    Args:
        number: of the signal that says so.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Caller:
    """The terminal and the signals of this process; a context manager that puts both back as they were.

    Args:
        takes_input: what is typed is handed on; else nothing of the terminal is changed.

    Raises:
        HaconiwaError: the input is no terminal.
    """

    def __init__(self, *, takes_input: bool) -> None:
        if takes_input and not os.isatty(STDIN):
            raise HaconiwaError(
                "the input is no terminal: run this at one, or without -i, or without -t where the command needs none"
            )
        self.takes_input = takes_input
        self._former: dict[int, Any] = {}
        self._attributes: list[Any] | None = None
        self._wake, self._woken = socket.socketpair()

    def __enter__(self) -> Caller:
        for end in (self._wake, self._woken):
            end.setblocking(False)
        try:
            self._wakeup = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        except ValueError as error:
            raise HaconiwaError("a terminal needs the main thread: no other one can take signals") from error
        for number in _ENDING:
            self._handle(number, _leave)
        self._handle(signal.SIGWINCH, lambda *_: None)
        self._handle(signal.SIGTSTP, self._stop)
        if self.takes_input:
            self._attributes = termios.tcgetattr(STDIN)
            tty.setraw(STDIN, termios.TCSADRAIN)
        return self

    def __exit__(self, *_: object) -> None:
        # Whatever comes now comes too late to be in the way.
        signal.pthread_sigmask(signal.SIG_BLOCK, self._former)
        self._restore()
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._wake.close()
        self._woken.close()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._former)

    def fileno(self) -> int:
        """Return a descriptor that is readable when the size of the terminal may have changed."""
        return self._woken.fileno()

    def take_signals(self) -> None:
        """Forget that signals have come."""
        with suppress(BlockingIOError):
            while self._woken.recv(_READ):
                pass

    def size(self) -> tuple[int, int] | None:
        """Return rows and columns of the terminal; None where there is none."""
        for stream in (STDIN, STDOUT):
            with suppress(termios.error):
                return termios.tcgetwinsize(stream)
        return None

    def typed(self) -> bytes:
        """Return what was typed.

        Raises:
            LeftError: the terminal has gone.
        """
        with suppress(OSError):
            if data := os.read(STDIN, _READ):
                return data
        raise LeftError(signal.SIGHUP)

    def show(self, data: bytes) -> None:
        """Write what comes from the other terminal.

        Raises:
            LeftError: the terminal has gone, or whoever reads this output.
        """
        try:
            while data:
                data = data[os.write(STDOUT, data) :]
        except OSError as error:
            raise LeftError(signal.SIGHUP) from error

    def _handle(self, number: int, handler: Callable[[int, FrameType | None], None]) -> None:
        self._former[number] = signal.signal(number, handler)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        """Stop as one does who has no terminal to put back; what ends that wakes `fileno`, too."""
        self._restore()
        os.kill(os.getpid(), signal.SIGSTOP)
        if self._attributes is not None:
            tty.setraw(STDIN, termios.TCSADRAIN)

    def _restore(self) -> None:
        # One that has hung up has nothing to be restored.
        with suppress(termios.error):
            if self._attributes is not None:
                termios.tcsetattr(STDIN, termios.TCSADRAIN, self._attributes)


def _leave(number: int, _frame: FrameType | None) -> None:
    raise LeftError(number)

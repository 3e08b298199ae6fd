"""The parent of the front: it holds the listening sockets, while one front ends and the next begins.

It imports next to nothing, for it has nothing to do: a front tells it which sockets it has opened, gets those that are
held, and is started again when it has crashed. On SIGHUP another one is started first, and the present one finishes
what it has when that serves.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from haconiwa_core.errors import HaconiwaError
from haconiwa_fastcontainer.held import ANOTHER, CHANNEL, END, FAILED, KEEP, LARGEST, READY

FOLDER_NAME = ".fastcontainer"
"""In a state directory: what its front has for itself."""

_FIRST_LISTENED = 3
_FIRST_DELAY, _LONGEST_DELAY = 0.1, 10.0
_LONG_LIFE = 60.0


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep others from being the front of a state directory.

    Raises:
        HaconiwaError: another one is, or the directory cannot be used.
    """
    folder = directory / FOLDER_NAME
    try:
        for each in (directory, folder):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise HaconiwaError(f"cannot use {folder}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise HaconiwaError(f"another front serves the containers of {directory}") from error
    finally:
        os.close(lock)


class _Front:
    """A front's process."""

    def __init__(self, command: Sequence[str], held: dict[str, socket.socket]) -> None:
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {**os.environ, CHANNEL: str(theirs.fileno())}
        with theirs:
            self.process = subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()])
        self.pidfd = os.pidfd_open(self.process.pid)
        self.began = time.monotonic()
        self.is_ready = False
        for name, opened in held.items():
            socket.send_fds(self.channel, [name.encode()], [opened.fileno()])
        self.channel.send(b"-")

    def end(self) -> None:
        """Let it finish what it has."""
        self.process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Let go of one that has ended."""
        self.channel.close()
        os.close(self.pidfd)


class Keeper:
    """Keeps one front running.

    Args:
        command: of the front.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._held = _listened_already()
        self._notify = os.environ.pop("NOTIFY_SOCKET", "")
        self._front: _Front | None = None
        self._next: _Front | None = None
        self._old: list[_Front] = []
        self._again_at: float | None = None
        self._deaths = 0
        self._is_ending = False
        self._status = 0

    def run(self) -> int:
        """Keep it until SIGTERM or SIGINT; return its exit status, if it never was ready, else 0."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        self._front = _Front(self._command, self._held)
        while self._front or self._next or self._old or self._again_at is not None:
            self._wait(reader)
        return self._status

    def _wait(self, reader: int) -> None:
        waiting = select.poll()
        waiting.register(reader, select.POLLIN)
        fronts = [front for front in (self._front, self._next, *self._old) if front]
        for front in fronts:
            waiting.register(front.pidfd, select.POLLIN)
            waiting.register(front.channel, select.POLLIN)
        left = None if self._again_at is None else max(0.0, self._again_at - time.monotonic()) * 1000
        found = {descriptor for descriptor, _ in waiting.poll(left)}
        if reader in found:
            for number in os.read(reader, 64):
                self._signalled(number)
        for front in fronts:
            if front.channel.fileno() in found:
                self._listen(front)
            if front.pidfd in found:
                self._bury(front)
        if self._again_at is not None and time.monotonic() >= self._again_at:
            self._again_at = None
            self._front = _Front(self._command, self._held)

    def _signalled(self, number: int) -> None:
        if number == signal.SIGHUP:
            if self._front and self._front.is_ready and not self._next and not self._is_ending:
                self._tell_manager("RELOADING=1")
                self._next = _Front(self._command, self._held)
            return
        self._is_ending, self._again_at = True, None
        self._tell_manager("STOPPING=1")
        for front in (self._front, self._next, *self._old):
            if front:
                front.end()

    def _listen(self, front: _Front) -> None:
        """Take what a front tells."""
        try:
            data, descriptors, _, _ = socket.recv_fds(front.channel, LARGEST, 1, socket.MSG_DONTWAIT)
        except (BlockingIOError, ConnectionResetError):
            return
        if data.startswith(KEEP) and descriptors:
            name = data[len(KEEP) :].decode()
            if former := self._held.pop(name, None):
                former.close()
            self._held[name] = socket.socket(fileno=descriptors[0])
        elif data == ANOTHER:
            self._signalled(signal.SIGHUP)
        elif data == END:
            self._signalled(signal.SIGTERM)
        elif data == READY:
            front.is_ready = True
            self._tell_manager("READY=1")
            if front is self._next:
                if self._front:
                    self._front.end()
                    self._old.append(self._front)
                # The present one may have crashed meanwhile: this one takes its place.
                self._front, self._next, self._again_at = front, None, None

    def _bury(self, front: _Front) -> None:
        """Take note of a front that has ended, and start another one if it was the present one."""
        while select.select([front.channel], [], [], 0)[0]:
            before = len(self._held)
            self._listen(front)
            if len(self._held) == before:
                break
        status = front.process.wait()
        front.close()
        if front in self._old:
            self._old.remove(front)
        elif front is self._next:
            # It has said what is wrong; the present one goes on.
            self._next = None
            if self._front:
                self._tell_manager("READY=1")
                self._front.channel.send(FAILED)
            elif not self._is_ending:
                self._start_again(front)
        else:
            self._front = None
            if self._is_ending:
                self._status = 0 if front.is_ready else max(status, 0)
            elif self._next:
                return  # It is about to take the place.
            elif front.is_ready:
                self._start_again(front)
            else:
                self._start_again_or_give_up(front, status)

    def _start_again_or_give_up(self, front: _Front, status: int) -> None:
        if self._deaths:
            self._start_again(front)
        else:
            self._status = status if status > 0 else 1

    def _start_again(self, front: _Front) -> None:
        if time.monotonic() - front.began > _LONG_LIFE:
            self._deaths = 0
        delay = min(_FIRST_DELAY * 2.0**self._deaths, _LONGEST_DELAY)
        self._deaths += 1
        self._again_at = time.monotonic() + delay
        sys.stderr.write(f"haconiwa: error: the front has crashed; another one is started in {delay:g} s\n")
        sys.stderr.flush()

    def _tell_manager(self, text: str) -> None:
        """Tell the service manager, if there is one (sd_notify(3))."""
        if self._notify:
            address = f"\0{self._notify[1:]}" if self._notify.startswith("@") else self._notify
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifying:
                notifying.connect(address)
                notifying.send(text.encode())


def _listened_already() -> dict[str, socket.socket]:
    """Return the sockets that the service manager has opened (sd_listen_fds(3)), by their addresses."""
    pid, number = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "0")
    os.environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()):
        return {}
    found = {}
    for descriptor in range(_FIRST_LISTENED, _FIRST_LISTENED + int(number)):
        os.set_inheritable(descriptor, False)
        opened = socket.socket(fileno=descriptor)
        if opened.family not in (socket.AF_INET, socket.AF_INET6):
            raise HaconiwaError("the service manager's sockets must be of TCP: write ListenStream=ADDRESS:PORT")
        host, port = opened.getsockname()[:2]
        found[f"[{host}]:{port}" if ":" in host else f"{host}:{port}"] = opened
    return found

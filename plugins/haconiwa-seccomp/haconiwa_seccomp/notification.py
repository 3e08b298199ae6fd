"""Answer system calls in place of the kernel (seccomp_unotify(2)): what handlers get, and the process they run in."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from haconiwa_seccomp.handling import READY

CONTINUE = object()
"""Returned by a handler that lets the kernel make the call after all.

The process may change what the call's pointers lead to after the handler has looked: this decides
nothing about security.
"""

_RECV, _SEND, _ID_VALID = 0xC0502100, 0xC0182101, 0x40082102
_REQUEST = struct.Struct("=QIIiIQ6Q")
_RESPONSE = struct.Struct("=QqiI")
_FLAG_CONTINUE = 1


@dataclass(frozen=True)
class Notification:
    """A call that waits for its answer.

    Attributes:
        pid: of the thread that has made it, on the host.
        number: of the call on this machine (syscalls(2)).
        arguments: all six, without a sign.
    """

    pid: int
    number: int
    arguments: tuple[int, ...]
    _id: int
    _listener: int

    def memory(self, address: int, size: int) -> bytes:
        """Return what the caller has in its memory (/proc/PID/mem).

        Args:
            address: such as an argument that is a pointer.
            size: in bytes; there may be fewer.

        Raises:
            OSError: nothing is there, or the caller has ended.
        """
        descriptor = os.open(f"/proc/{self.pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            content = os.pread(descriptor, size, address)
        finally:
            os.close(descriptor)
        # Only as long as the call waits does the pid mean who has made it.
        fcntl.ioctl(self._listener, _ID_VALID, struct.pack("Q", self._id))
        return content


Handler = Callable[[Notification], object]
"""Returns what the call returns, an integer, or CONTINUE; an OSError that it raises is the call's error."""


def main() -> None:
    """Import a handler, wait for the listener of a filter, and serve it until nobody is left under the filter.

    The arguments are the descriptor of the socket to whoever loads the filter, and "module:name".
    """
    number, function = int(sys.argv[1]), sys.argv[2]
    # Whoever has started this waits for it, and for nothing that comes later.
    if os.fork():
        os._exit(0)
    os.setsid()
    os.closerange(number + 1, os.sysconf("SC_OPEN_MAX"))
    with socket.socket(fileno=number) as channel:
        try:
            module, _, name = function.partition(":")
            handler: Handler = getattr(import_module(module), name)
        except BaseException as error:  # noqa: BLE001  # told to who has asked for it
            channel.send(f"{type(error).__name__}: {error}".encode())
            return
        channel.send(READY)
        message, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
        if not message:
            return
        # Who has it could answer for the container: no program that the handler executes gets it.
        os.set_inheritable(descriptors[0], False)
        channel.send(READY)
    serve(descriptors[0], handler)


def serve(listener: int, handler: Handler) -> None:
    """Answer notifications, one after the other, until nobody is left under the filter.

    Args:
        listener: as seccomp(2) returns it.
        handler: asked about each call. If it fails, the call does (EPERM), and its traceback is written.
    """
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while all(not events & select.POLLHUP for _, events in poll.poll()):
        request = bytearray(_REQUEST.size)
        try:
            fcntl.ioctl(listener, _RECV, request)
            fcntl.ioctl(listener, _SEND, _answer(handler, listener, bytes(request)))
        except OSError as error:
            # Who has made the call has ended meanwhile.
            if error.errno != errno.ENOENT:
                raise


def _answer(handler: Handler, listener: int, request: bytes) -> bytes:
    identity, pid, _, number, _, _, *arguments = _REQUEST.unpack(request)
    try:
        result = handler(Notification(pid, number, tuple(arguments), identity, listener))
        if result is CONTINUE:
            return _RESPONSE.pack(identity, 0, 0, _FLAG_CONTINUE)
        return _RESPONSE.pack(identity, result, 0, 0)
    except OSError as error:
        return _RESPONSE.pack(identity, 0, -(error.errno or errno.EPERM), 0)
    except Exception:  # noqa: BLE001  # whatever is wrong with it, the next call wants an answer too
        traceback.print_exc(file=sys.stderr)
        return _RESPONSE.pack(identity, 0, -errno.EPERM, 0)

"""Ask a probe to try something. What answers may be a container's: it is bounded, and taken apart with care."""

from __future__ import annotations

import os
import signal
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.launch.resident import sealed

PROGRAM_NAME = "haconiwa-verify"

_HEAD = struct.Struct("=iiq")
_FOUND = 1024
_CREDENTIALS = struct.Struct("=iII")


class NoAnswerError(HaconiwaError):
    """A probe has ended, says nothing, or says what no probe says."""


class Answer(NamedTuple):
    """What a probe tells of an attempt.

    Attributes:
        signal: that has ended the attempt; 0 if it came to its end.
        result: of the attempt; a negative one is that of a system call, -errno.
        found: by the attempt.
        uid: who answers, as this process sees it.
    """

    signal: int
    result: int
    found: bytes
    uid: int


class Prober:
    """A probe that waits for requests: this end of its socket. A context manager.

    Args:
        seconds: until it has to have answered; an attempt that takes ten is ended by the probe itself.

    Attributes:
        theirs: the other end, which is its standard input; to be closed when it has it.
    """

    def __init__(self, seconds: float = 30.0) -> None:
        self._ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._ours.settimeout(seconds)
        self._asked = 0
        self._lost: NoAnswerError | None = None

    def __enter__(self) -> Prober:
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.close()
        self.theirs.close()

    def ask(self, *words: str | int) -> Answer:
        """Let it try something, and return how that was.

        Args:
            words: the attempt's name and its arguments.

        Raises:
            NoAnswerError: it does not tell; nor does it ever after.
        """
        try:
            if self._lost is None:
                return self._ask(words)
        except NoAnswerError as error:
            self._lost = error
        raise self._lost

    def _ask(self, words: Sequence[str | int]) -> Answer:
        self._asked += 1
        text = b"".join(os.fsencode(str(word)) + b"\0" for word in words)
        try:
            self._ours.sendall(struct.pack("=i", self._asked) + text, socket.MSG_NOSIGNAL)
            packet, ancillary, flags, _ = self._ours.recvmsg(
                _HEAD.size + _FOUND, socket.CMSG_SPACE(_CREDENTIALS.size), socket.MSG_CMSG_CLOEXEC
            )
        except OSError as error:
            raise NoAnswerError(f"the probe does not answer: {error}") from error
        if not packet:
            raise NoAnswerError("the probe has ended")
        credentials = [data for level, kind, data in ancillary if (level, kind) == _WHO]
        if len(packet) < _HEAD.size or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or len(credentials) != 1:
            raise NoAnswerError("the probe's answer is malformed")
        number, ended_by, result = _HEAD.unpack_from(packet)
        if number != self._asked:
            raise NoAnswerError("the probe answers what was not asked")
        _, uid, _ = _CREDENTIALS.unpack(credentials[0])
        return Answer(ended_by, result, packet[_HEAD.size :], uid)


_WHO = (socket.SOL_SOCKET, socket.SCM_CREDENTIALS)


def executable() -> Path:
    """Return the path of the probe: a static program without a library."""
    return Path(__file__).with_name("probe")


@contextmanager
def program() -> Iterator[int]:
    """Give a descriptor of the probe in a sealed memory file: the program on disk is out of a container's reach."""
    descriptor = sealed(PROGRAM_NAME, executable().read_bytes())
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class Outside(NamedTuple):
    """A probe on the host, as this process's child."""

    pid: int
    prober: Prober


@contextmanager
def outside(program: int, word: str, errors: int) -> Iterator[Outside]:
    """Keep a probe on the host.

    Args:
        program: descriptor of the probe.
        word: stands on its command line.
        errors: descriptor of its standard error.
    """
    with Prober() as prober:
        actions = [
            (os.POSIX_SPAWN_DUP2, prober.theirs.fileno(), 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, errors, 2),
        ]
        pid = os.posix_spawn(
            f"/proc/self/fd/{program}",
            [PROGRAM_NAME, word],
            {},
            file_actions=actions,
            setpgroup=0,
            # It keeps what comes, and so it can be seen that something has come.
            setsigmask=(signal.SIGURG,),
        )
        try:
            prober.theirs.close()
            yield Outside(pid, prober)
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

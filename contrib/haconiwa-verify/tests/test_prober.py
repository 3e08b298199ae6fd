"""What comes back from inside is a stranger's, until it is known to be an answer."""

import errno
import os
import socket
import struct
import subprocess

import pytest
from haconiwa_verify.attempt import describe
from haconiwa_verify.prober import Answer, NoAnswerError, Prober, executable, outside, program

HEAD = struct.Struct("=iiq")


@pytest.fixture
def nowhere():
    with open(os.devnull, "wb") as file:
        yield file.fileno()


@pytest.fixture
def probe_file():
    with program() as descriptor:
        yield descriptor


def answered(*packets: bytes) -> Answer:
    """Ask what is no probe, and says these things."""
    with Prober() as prober:
        for packet in packets:
            prober.theirs.send(packet)
        if not packets:
            prober.theirs.close()
        return prober.ask("read-file", "/etc/passwd")


def test_an_answer():
    assert answered(HEAD.pack(1, 0, 3) + b"abc") == (0, 3, b"abc", os.geteuid())


@pytest.mark.parametrize(
    ("packets", "told"),
    [
        ((), "does not answer"),
        ((b"x",), "malformed"),
        ((HEAD.pack(1, 0, 0)[:-1],), "malformed"),
        ((HEAD.pack(2, 0, 0),), "was not asked"),
        ((HEAD.pack(0, 0, 0), HEAD.pack(1, 0, 0)), "was not asked"),
        ((HEAD.pack(1, 0, 0) + b"x" * 1025,), "malformed"),
        ((HEAD.pack(1, 0, 0) + b"x" * (1 << 17),), "malformed"),
    ],
)
def test_what_is_no_answer(packets, told):
    with pytest.raises(NoAnswerError, match=told):
        answered(*packets)


def test_one_that_is_silent_is_waited_for_once():
    with Prober(seconds=0.1) as prober:
        for _ in range(2):
            with pytest.raises(NoAnswerError, match="timed out"):
                prober.ask("read-file", "/")
        prober.theirs.send(HEAD.pack(1, 0, 0))
        with pytest.raises(NoAnswerError, match="timed out"):
            prober.ask("read-file", "/")


def test_one_that_ends_instead_of_answering():
    with Prober() as prober:
        prober.theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(NoAnswerError, match="has ended"):
            prober.ask("read-file", "/")


@pytest.mark.parametrize(
    "answer", [Answer(-1, 0, b"", 0), Answer(0, -(1 << 63), b"", 0), Answer(255, 5, b"\x1b[2J", 0)]
)
def test_a_strange_answer_is_described(answer):
    assert describe(answer).isprintable()


def test_a_probe_answers(probe_file, nowhere):
    with outside(probe_file, "x", nowhere) as probe:
        assert probe.prober.ask("read-file", "/proc/self/comm").result > 0
        assert probe.prober.ask("read-file", "/no/such").result == -errno.ENOENT
        assert probe.prober.ask("no-such-attempt").result == -errno.EOPNOTSUPP
        assert probe.prober.ask("").result == -errno.EOPNOTSUPP
        assert probe.prober.ask("read-file").result == -errno.ENOENT
        assert probe.prober.ask("read-file", *["/proc/self/comm"] * 100).result > 0


def test_an_attempt_that_is_ended_is_told(probe_file, nowhere):
    with outside(probe_file, "x", nowhere) as probe:
        # It reads from its own socket, for a request that is never made, until its time is over.
        answer = probe.prober.ask("read-file", "/proc/self/fd/0")
        assert answer.result == -errno.ENXIO
        assert probe.prober.ask("trace", probe.pid, 0, 8).result == -errno.EIO


def test_what_it_finds_is_bounded(probe_file, nowhere, tmp_path):
    (tmp_path / "long").write_bytes(b"x" * 100_000)
    with outside(probe_file, "x", nowhere) as probe:
        assert probe.prober.ask("read-file", tmp_path / "long").found == b"x" * 1024


def test_one_that_is_killed_does_not_answer(probe_file, nowhere):
    with outside(probe_file, "x", nowhere) as probe:
        os.kill(probe.pid, 9)
        with pytest.raises(NoAnswerError):
            probe.prober.ask("read-file", "/")


def test_it_ends_with_its_socket():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, subprocess.Popen([executable()], stdin=theirs) as process:
        theirs.close()
        ours.close()
        assert process.wait(60) == 0

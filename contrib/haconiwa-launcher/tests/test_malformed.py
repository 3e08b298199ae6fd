"""What is no program, or no request, is refused before anything of it runs."""

import errno
import os
import random
import shutil
import socket
import struct
import subprocess
from array import array
from pathlib import Path

import pytest
from haconiwa_launcher.client import HelperLauncher, _sealed
from haconiwa_launcher.encoding import encode

from haconiwa_core.linux.handshake import RECORD
from haconiwa_core.testing import plan_of

SOURCES = Path(__file__).parents[1] / "src"


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
@pytest.mark.skipif(not SOURCES.exists(), reason="needs the sources, which lie beside the tests in the tree only")
def test_mutated_programs_stay_within_their_bytes(tmp_path):
    program = tmp_path / "program"
    program.write_bytes(encode(plan_of().program))
    harness = tmp_path / "fuzz"
    flags = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize=alignment", "-fno-sanitize-recover=all"]
    source = Path(__file__).with_name("fuzz.c")
    subprocess.run(["gcc", *flags, "-I", SOURCES, "-o", harness, source], check=True)
    done = subprocess.run([harness, program, "100000"], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    accepted = int(done.stdout.split()[0])
    assert 0 < accepted < 100000


@pytest.fixture
def launcher():
    launcher = HelperLauncher()
    yield launcher
    launcher.close()


def answer(launcher, content, slots=None, descriptors=None):
    """Send a request with a program of these bytes; return what the launcher says about it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    file = _sealed("program", content)
    given = [file, theirs.fileno()] if descriptors is None else descriptors
    request = struct.pack(f"={len(slots)}i", *slots) if slots is not None else struct.pack("=3i", 4, 5, 3)
    with launcher._lock:
        launcher._send(request, array("i", given))
    os.close(file)
    theirs.close()
    message = ours.recv(64)
    ours.close()
    return RECORD.unpack(message) if message else None


VALID = encode(plan_of().program)
WRONG = {
    "empty": b"",
    "short": VALID[:20],
    "cut": VALID[:-1],
    "longer": VALID + b"\0",
    "another magic": b"\0" + VALID[1:],
    "no process": VALID[:4] + b"\0" * 4 + VALID[8:],
    "many processes": VALID[:4] + b"\xff" * 4 + VALID[8:],
    "many instructions": VALID[:8] + b"\xff" * 4 + VALID[12:],
    "many effects": VALID[:12] + b"\xff" * 4 + VALID[16:],
    "no slots": VALID[:20] + b"\0" * 4 + VALID[24:],
    "noise": random.Random(1).randbytes(4096),
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
def test_a_malformed_program_is_refused(launcher, content):
    assert answer(launcher, content) == (0, errno.EPROTO)


@pytest.mark.parametrize("slots", [(-1, 5, 3), (4, 2**31 - 1, 3), (4, 5, -7), (4, 5, 10000)])
def test_slots_that_the_program_does_not_have(launcher, slots):
    assert answer(launcher, VALID, slots) == (0, errno.EPROTO)


@pytest.mark.parametrize("slots", [(4,), (4, 5), (4, 5, 3, 0)])
def test_a_message_that_is_no_request_is_left_unanswered(launcher, slots):
    assert answer(launcher, VALID, slots) is None
    assert answer(launcher, b"") == (0, errno.EPROTO)


def test_it_survives_them_all(launcher, descriptors_at_rest):
    for content in WRONG.values():
        answer(launcher, content)
    pid = launcher._pid
    for content in WRONG.values():
        answer(launcher, content)
    assert launcher._pid == pid
    assert descriptors_at_rest(pid) == ["0", "1", "2"]

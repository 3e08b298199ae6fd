"""Whoever connects to the control socket, and whatever is sent there, harms nobody else."""

from __future__ import annotations

import json
import os
import random
import socket
import stat
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from haconiwa_runtime.messages import DESCRIPTOR_LIMIT, MESSAGE_LIMIT, receive, send
from haconiwa_supervision.control.server import REQUEST_TIMEOUT

from haconiwa_core import Container
from haconiwa_core.testing import forked

NOBODY = 65534


@pytest.fixture
def house(house):
    house.open()
    return house


def descriptors_of(house):
    return len(os.listdir(f"/proc/{house.process.pid}/fd"))


@pytest.fixture
def settled(house):
    """The supervisor has as many descriptors after the test as before, and serves."""
    (name,) = house.start(Container("box", ["sleep", "600"]))
    before = descriptors_of(house)
    yield name
    # A launcher keeps the programs of the last four plans.
    house.until(lambda: descriptors_of(house) <= before + 3)
    assert house.ask("inspect", name=name)["status"] == "running"


@contextmanager
def connected(house, timeout=30.0):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(str(house.socket))
        connection.settimeout(timeout)
        yield connection


def answer_to(house, data, descriptors=()):
    """Return what is answered to some bytes; None where the connection is closed."""
    with connected(house) as connection:
        socket.send_fds(connection, [data], list(descriptors)) if descriptors else connection.send(data)
        message = receive(connection)
        return message and message.content


def test_only_its_owner_reaches_it(house):
    assert stat.S_ISSOCK(house.socket.lstat().st_mode)
    assert stat.S_IMODE(house.socket.lstat().st_mode) == 0o600
    for folder in (house.own, house.store.directory):
        assert stat.S_IMODE(folder.lstat().st_mode) == 0o700
    # There is no other: none that is abstract, none of the network.
    inodes = {os.readlink(path)[8:-1] for path in Path(f"/proc/{house.process.pid}/fd").iterdir() if path.is_symlink()}
    for kind in ("unix", "tcp", "tcp6", "udp", "udp6"):
        for line in Path("/proc/net", kind).read_text().splitlines()[1:]:
            fields = line.split()
            assert kind == "unix" or fields[9] not in inodes
            if kind == "unix" and fields[6] in inodes:
                assert not fields[7:] or not fields[7].startswith("@")


def test_another_user_is_refused(house, settled):
    """Even where the path could be reached."""

    def ask():
        with connected(house) as connection:
            send(connection, {"do": "inspect", "name": settled})
            return receive(connection)

    def ask_as(user):
        def run():
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            try:
                answer = ask()
            except PermissionError:
                os._exit(2)
            except (BrokenPipeError, ConnectionResetError):
                answer = None
            os._exit(0 if answer is None else 1)

        return forked(run)

    assert ask() is not None
    assert ask_as(NOBODY) == 2
    with ExitStack() as stack:
        for path in (house.socket, house.own, *house.own.parents):
            mode = stat.S_IMODE(path.stat().st_mode)
            if not mode & 0o001:
                stack.callback(path.chmod, mode)
                path.chmod(0o777)
        assert ask_as(NOBODY) == 0
        assert ask_as(0) == 1


NONSENSE = {
    "empty object": b"j{}",
    "no kind": b"{}",
    "a list": b"j[]",
    "a number": b"j1",
    "no JSON": b"j\xff\xfe",
    "cut": b'j{"do": "insp',
    "deep": b"j" + b"[" * 60000,
    "deep object": b"j" + b'{"a":' * 12000,
    "NUL": b"\0" * 1000,
    "unknown": b'j{"do": "make coffee"}',
    "unhashable": b'j{"do": ["inspect"], "name": 1}',
    "no name": b'j{"do": "inspect"}',
    "strange name": b'j{"do": "stop", "name": {"a": []}, "timeout": 1}',
    "no number": b'j{"do": "stop", "name": "x", "timeout": "soon"}',
    "not a number": b'j{"do": "stop_all", "names": [], "timeout": NaN}',
    "negative": b'j{"do": "stop_all", "names": [], "timeout": -1}',
    "no definitions": b'j{"do": "start", "definitions": [], "streams": [], "worker": false, "name": null,'
    b' "remove": false, "launcher": null, "bound": false}',
    "too few descriptors": b'j{"do": "start", "definitions": [{}], "streams": [["stdin"]], "worker": false}',
    "strange definitions": b'j{"do": "start", "definitions": [1, [], {}], "streams": [[], [], []], "worker": false,'
    b' "name": null, "remove": false, "launcher": null, "bound": true}',
    "no memory file": b"m",
    "events of nothing": b'j{"do": "events"}',
    "huge number": b'j{"do": "inspect", "name": ' + b"9" * 60000 + b"}",
    "larger than a packet": b"j" + b" " * (64 << 10) + b"{}",
}


def test_nonsense_is_refused(house, settled):
    for what, data in NONSENSE.items():
        answer = answer_to(house, data)
        assert answer is None or "error" in answer, what
        assert house.store.names() == [settled], what


def test_noise_is_refused(house, settled):
    chance = random.Random(5)
    template = json.dumps({"do": "stop", "name": settled, "timeout": 600}).encode()
    for _ in range(300):
        noise = bytearray(b"j" + template)
        for _ in range(chance.randint(1, 8)):
            noise[chance.randrange(len(noise))] = chance.randrange(256)
        # What is meant, with another timeout, would stop it.
        if b'"stop"' in noise and settled.encode() in noise:
            continue
        answer = answer_to(house, bytes(noise))
        assert answer is None or "error" in answer


class TestDescriptors:
    def test_those_that_nobody_wants_are_closed(self, house, settled):
        reader, writer = os.pipe()
        for do in (b"inspect", b"stop", b"start", b"events", b"nonsense"):
            for number in (1, DESCRIPTOR_LIMIT):
                answer_to(house, b'j{"do": "%s", "name": "x"}' % do, [writer] * number)
        # More than a message may have, and more after the request.
        answer_to(house, b'j{"do": "inspect", "name": "x"}', [writer] * 253)
        with connected(house) as connection:
            send(connection, {"do": "events", "names": [], "after": None})
            receive(connection)
            for _ in range(3):
                socket.send_fds(connection, [b"j{}"], [writer] * 10)
        os.close(writer)
        assert os.read(reader, 1) == b""  # Nobody has a copy.
        os.close(reader)

    def test_those_of_a_start_that_fails_are_closed(self, house, settled):
        reader, writer = os.pipe()
        request = {
            "do": "start",
            "definitions": [{"container": {"name": "x", "command": ["/nowhere/at-all"]}}],
            "streams": [["stdin", "stdout"]],
            "worker": True,
            "name": None,
            "remove": False,
            "launcher": None,
            "bound": False,
        }
        # A worker that is no socket.
        answer = answer_to(house, b"j" + json.dumps(request).encode(), [writer] * 3)
        assert "error" in answer
        os.close(writer)
        assert os.read(reader, 1) == b""
        os.close(reader)

    def test_no_other_program_inherits_them(self, house, tmp_path):
        """A stream of one container must not be held by another, nor by the keeper."""
        reader, writer = os.pipe()
        from haconiwa_supervision.control.resident import ResidentSupervisor

        from haconiwa_core.plugins.loading import Plugins
        from haconiwa_core.runtime.supervisor import Start

        container = Container("one", ["sleep", "600"], stdin="null", stderr="null")
        running = ResidentSupervisor().begin(Start([container], house.store, Plugins()), {"stdout": writer})
        os.close(writer)
        house.start(Container("two", ["sleep", "600"]))
        running.kill()
        running.finish(remove=True)
        assert os.read(reader, 1) == b""
        os.close(reader)


class TestMemoryFiles:
    """Larger messages travel in a memory file."""

    def sent(self, house, size, *, sealed=True, kind="memfd"):
        content = b'{"do": "inspect", "name": "%s"}' % (b"x" * size)
        file = os.memfd_create("m", os.MFD_ALLOW_SEALING) if kind == "memfd" else os.open("/etc/passwd", os.O_RDONLY)
        if kind == "memfd":
            os.write(file, content)
        if sealed and kind == "memfd":
            import fcntl

            seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
        try:
            return answer_to(house, b"m", [file])["error"]["text"]
        finally:
            os.close(file)

    def test_one_is_read(self, house, settled):
        assert self.sent(house, 100 << 10).startswith("no container named xxx")

    def test_one_that_is_too_large_is_not(self, house, settled):
        assert "too large" in self.sent(house, MESSAGE_LIMIT)

    def test_one_that_can_change_is_not(self, house, settled):
        assert "could still be changed" in self.sent(house, 100, sealed=False)

    def test_no_other_file_is(self, house, settled):
        assert "no memory file" in self.sent(house, 0, kind="passwd")


class TestPatience:
    """Nobody waits for one who does not speak or does not listen."""

    def test_one_that_says_nothing_is_let_go(self, house, settled):
        with ExitStack() as stack:
            silent = [stack.enter_context(connected(house, REQUEST_TIMEOUT + 20)) for _ in range(50)]
            assert house.ask("inspect", name=settled)["status"] == "running"
            for connection in silent:
                assert connection.recv(10) == b""

    def test_thousands_at_once_and_one_after_the_other(self, house, settled):
        with ExitStack() as stack:
            for _ in range(2000):
                stack.enter_context(connected(house))
            assert house.ask("inspect", name=settled)["status"] == "running"
        for _ in range(3000):
            with connected(house):
                pass
        assert house.ask("inspect", name=settled)["status"] == "running"

    def test_more_than_there_may_be_are_turned_away(self, house, settled):
        """Those who are there already are served."""
        with connected(house) as patient, ExitStack() as stack:
            send(patient, {"do": "events", "names": [], "after": None})
            assert receive(patient).content == {"listening": True}
            for _ in range(4100):
                stack.enter_context(connected(house))
            last = stack.enter_context(connected(house))
            assert last.recv(10) == b""
            house.run("run", "--rm", "--", "true")  # Whoever is turned away may do it alone.
        house.until(lambda: house.ask("inspect", name=settled))

    def test_one_that_does_not_take_its_answers(self, house, settled):
        """Its buffer is full: what is to be told to it is dropped with it, and its container ends."""
        with connected(house) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            send(deaf, {"do": "events", "names": [], "after": None})
            for _ in range(400):
                house.ask("inspect", name=settled)
                with pytest.raises(Exception, match="no hook for"):
                    house.ask("signal", name=settled, signal="SIGUSR1")
            names = [house.start(Container("short", ["true"]), remove=True)[0] for _ in range(60)]
            house.until(lambda: not set(names) & set(house.store.names()))
            before = resident_of(house)
            for _ in range(200):
                house.start(Container("short", ["true"]), remove=True)
            house.until(lambda: len(house.store.names()) == 1)
            assert resident_of(house) < before + (16 << 10)

    def test_those_who_wait_and_go_are_forgotten(self, house, settled):
        before = descriptors_of(house)
        for _ in range(200):
            with connected(house) as connection:
                send(connection, {"do": "wait", "name": settled})
        house.until(lambda: descriptors_of(house) <= before)

    def test_what_was_asked_for_is_done_though_the_client_has_gone(self, house):
        (name,) = house.start(Container("stubborn", ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]))
        with connected(house) as connection:
            send(connection, {"do": "stop", "name": name, "timeout": 0.5})
        house.until(lambda: house.record(name).status == "exited")
        assert house.record(name).exit_status == 137

    def test_the_loop_is_not_held_up(self, house, settled):
        """While others send the largest messages that there may be, somebody else is answered."""
        longest = 0.0
        stop = time.monotonic() + 3
        content = {"do": "inspect", "name": "x" * (4 << 20)}
        with ExitStack() as stack:
            while time.monotonic() < stop:
                connection = stack.enter_context(connected(house))
                send(connection, content)
                before = time.monotonic()
                assert house.ask("inspect", name=settled)["status"] == "running"
                longest = max(longest, time.monotonic() - before)
        assert longest < 5


def test_without_descriptors_left_it_waits_and_goes_on(house, settled):
    """Who connects meanwhile waits, and the supervisor does not spin."""
    import resource

    pid = house.process.pid
    former = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = descriptors_of(house)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 8, former[1]))
    try:
        with ExitStack() as stack:
            for _ in range(30):
                stack.enter_context(connected(house))
            began = cpu_of(pid)
            time.sleep(2)
            assert cpu_of(pid) - began < 1
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, former)
    house.until(lambda: house.ask("inspect", name=settled)["status"] == "running")


def cpu_of(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_of(house):
    """Return the supervisor's resident memory, KiB."""
    lines = Path(f"/proc/{house.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

"""The log keeper: real pipes, real writers, and processes that are really killed."""

import asyncio
import errno
import fcntl
import itertools
import os
import re
import resource
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from haconiwa_runtime.logs import LINES_NAME, STDERR, STDOUT, open_log, read_log
from haconiwa_supervision.logs import keeper
from haconiwa_supervision.logs.keeping import AGAIN, Keeper

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.host import adopt_orphans, system_call
from haconiwa_core.runtime.processes import end_of, is_readable
from haconiwa_core.testing import become, fork, forked, needs_root

LARGE = 1 << 30
LIMIT = 60
LINE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) [FP] [^\n]*")


@pytest.fixture
def place(tmp_path):
    """The directory of a supervisor whose keeper, if it has left one, ends with the test."""
    directory = tmp_path / ".supervisor"
    directory.mkdir(mode=0o700)
    yield directory
    with suppress(ConnectionRefusedError, FileNotFoundError):
        end(pid_of_keeper(directory))


@pytest.fixture
def box(tmp_path):
    """The directory of a container."""
    directory = tmp_path / "box"
    directory.mkdir(mode=0o700)
    return directory


def connected(place):
    """Return a connection to the keeper that serves a directory."""
    opened = os.open(place, os.O_PATH)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(f"/proc/self/fd/{opened}/keeper")
    except OSError:
        connection.close()
        raise
    finally:
        os.close(opened)
    return connection


def pid_of_keeper(place):
    with connected(place) as connection:
        return struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


def found_keeper(place):
    """Return the pid of the keeper; None while there is none."""
    with suppress(OSError):
        return pid_of_keeper(place)
    return None


def end(pid):
    """Kill a process, and wait for its end."""
    pidfd = os.pidfd_open(pid)
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    assert is_readable(pidfd, LIMIT)
    os.close(pidfd)


def kept(place, body, reports=None):
    """Run the body of a test with a supervisor's side of the keeper."""

    async def run():
        keeping = Keeper(place, [].append if reports is None else reports.append)
        try:
            await keeping.start()
            async with asyncio.timeout(LIMIT):
                return await body(keeping)
        finally:
            keeping.close()

    return asyncio.run(run())


def written(box, *what, size=LARGE, files=3, flush=False):
    """Return a body that keeps a container's log while each of the (stream, data) is written."""

    async def body(keeping):
        writers = dict(zip((STDOUT, STDERR), await keeping.keep("box", box, size, files), strict=True))
        for stream, data in what:
            await asyncio.to_thread(write, writers[stream], data)
            if flush:
                await keeping.flush("box")
        for writer in writers.values():
            os.close(writer)
        await ended(keeping, "box")

    return body


def write(descriptor, data):
    while data:
        data = data[os.write(descriptor, data) :]


async def ended(keeping, name):
    """Wait until both streams of a container have been read to their ends."""
    while {"stdout", "stderr"} & await descriptors_of(keeping, name):
        await asyncio.sleep(0.005)


async def descriptors_of(keeping, name):
    """Return the kinds of descriptors that the keeper has for a container."""
    with connected(keeping._directory) as connection:
        for index in itertools.count():
            connection.send(b"take %d" % index)
            answer, descriptors, _, _ = socket.recv_fds(connection, 4096, keeper.MAX_DESCRIPTORS)
            for descriptor in descriptors:
                os.close(descriptor)
            _, *words = answer.decode().split()
            if not words or words[0] == name:
                break
        return set(words[3:])


async def until(condition):
    async with asyncio.timeout(LIMIT):
        while not (found := condition()):
            await asyncio.sleep(0.005)
        return found


def lines_in(box):
    """Return the lines of a log as they are in its files, oldest first."""
    names = sorted((each.name for each in box.glob(f"{LINES_NAME}*")), key=lambda name: (len(name), name))
    return b"".join((box / name).read_bytes() for name in reversed(names)).split(b"\n")[:-1]


def size_of(box):
    """Return the bytes of a log that grows and is rotated meanwhile."""
    sizes = {}
    for each in box.iterdir():
        with suppress(FileNotFoundError):
            status = each.stat()
            sizes[status.st_ino] = status.st_size
    return sum(sizes.values())


def output_of(box):
    """Return what was written to each stream."""
    found = defaultdict(list)
    with open_log(box) as source:
        for part in source.read():
            found[part.stream].append(part.data)
    return {stream: b"".join(pieces) for stream, pieces in found.items()}


CASES = {
    "lines": b"one\ntwo\n\nfour\n",
    "no newline at the end": b"one\ntwo",
    "only newlines": b"\n\n\n",
    "binary": bytes(range(256)) * 100 + b"\r\n\0",
    "looks like a log": b"2016-10-06T00:17:09.669794202Z stdout P x\n2016-10-06T00:17:09.669794202Z stderr F y\n",
    "a long line": b"x" * 100_000 + b"\nend\n",
    "just a line's bound": b"a\n" + b"x" * keeper.LINE + b"\n" + b"y" * (keeper.LINE + 1) + b"\nend\n",
    "twice the bound": b"x" * 2 * keeper.LINE + b"\nend\n",
    "a long one without newline": b"x" * 50_000,
    "a megabyte": b"".join(b"line %d\n" % number for number in range(90_000)),
}


@pytest.mark.parametrize("data", CASES.values(), ids=CASES)
@pytest.mark.parametrize("stream", [STDOUT, STDERR])
def test_bytes_come_back_as_they_were(place, box, data, stream):
    kept(place, written(box, (stream, data)))
    assert output_of(box) == {stream: data}
    assert read_log(box) == data
    assert all(LINE.fullmatch(line) for line in lines_in(box))


def test_a_line_is_one_line_and_a_part_is_marked(place, box):
    pieces = [b"wh", b"ole\n", b"z" * keeper.LINE, b"z", b"z\n", b"unfinished"]
    kept(place, written(box, *((STDOUT, piece) for piece in pieces)))
    found = [line.split(b" ", 3)[2:] for line in lines_in(box)]
    assert found == [
        [b"F", b"whole"],
        [b"P", b"z" * keeper.LINE],
        [b"F", b"zz"],
        [b"P", b"unfinished"],
    ]


def test_a_flush_writes_what_is_unfinished_too(place, box):
    async def body(keeping):
        out, err = await keeping.keep("box", box, LARGE, 3)
        os.write(out, b"Pass")
        os.write(err, b"hint\n")
        await keeping.flush("box")
        flushed = read_log(box)
        os.write(out, b"word: \n")
        await keeping.flush("box")
        os.close(out)
        os.close(err)
        return flushed

    assert sorted(kept(place, body)) == sorted(b"Passhint\n")
    assert output_of(box) == {STDOUT: b"Password: \n", STDERR: b"hint\n"}


def test_a_flush_takes_all_that_is_in_a_large_pipe(place, box):
    async def body(keeping):
        writers = await keeping.keep("box", box, LARGE, 3)
        fcntl.fcntl(writers[0], fcntl.F_SETPIPE_SZ, 1 << 20)
        # Enough to be held back: at the end the pipe is full, and read seldom.
        data = b"y\n" * (3 << 19)
        await asyncio.to_thread(write, writers[0], data)
        await keeping.flush("box")
        assert (box / LINES_NAME).stat().st_size == len(data) // 2 * len(b"2016-10-06T00:17:09.669794202Z stdout F y\n")
        for writer in writers:
            os.close(writer)

    kept(place, body)


class TestRotation:
    def test_files_are_bounded_and_hold_the_newest_lines(self, place, box):
        data = b"".join(b"line %d\n" % number for number in range(5000))
        kept(place, written(box, (STDOUT, data), size=10_000, files=3))
        assert sorted(each.name for each in box.iterdir()) == [LINES_NAME, f"{LINES_NAME}.1", f"{LINES_NAME}.2"]
        sizes = [each.stat().st_size for each in box.iterdir()]
        assert max(sizes) <= 10_000
        assert min(size for size in sizes[1:]) > 0
        left = read_log(box)
        assert data.endswith(left)
        assert left.startswith(b"line ")
        assert len(lines_in(box)) > 2 * 10_000 // 60

    def test_nothing_is_removed_while_there_is_room(self, place, box):
        data = b"".join(b"line %d\n" % number for number in range(1000))
        kept(place, written(box, (STDOUT, data), size=10_000, files=30))
        assert len(list(box.iterdir())) > 4
        assert read_log(box) == data

    def test_a_single_file(self, place, box):
        data = b"".join(b"line %d\n" % number for number in range(5000))
        kept(place, written(box, (STDOUT, data), size=4096, files=1))
        assert [each.name for each in box.iterdir()] == [LINES_NAME]
        assert (box / LINES_NAME).stat().st_size <= 4096
        assert data.endswith(read_log(box))

    def test_a_reader_goes_on_while_files_are_rotated(self, place, box):
        count = 50_000

        async def body(keeping):
            out, err = await keeping.keep("box", box, 20_000, 200)
            data = b"".join(b"%d\n" % number for number in range(count))
            writing = asyncio.ensure_future(asyncio.to_thread(write, out, data))
            found = []
            with open_log(box) as source:
                while len(found) < count:
                    found += [int(part.data) for part in source.read()]
                    await asyncio.sleep(0.001)
                assert not source.missed
            await writing
            os.close(out)
            os.close(err)
            return found

        assert kept(place, body) == list(range(count))
        assert len(list(box.iterdir())) > 50

    def test_a_line_that_is_longer_than_a_file(self, place, box):
        data = b"x" * keeper.LINE + b"\nend\n"
        kept(place, written(box, (STDOUT, data), size=4096, files=3))
        assert read_log(box) == data

    def test_it_goes_on_where_an_earlier_keeper_has_stopped(self, place, box):
        for number in range(6):
            kept(place, written(box, (STDOUT, b"%d" % number * 3000 + b"\n"), size=4096, files=3))
            end(pid_of_keeper(place))
        assert read_log(box) == b"".join(b"%d" % number * 3000 + b"\n" for number in range(3, 6))


COUNTING = """
import os, sys, time
name, stop = sys.argv[1:]
for number in range(10**9):
    os.write(1, b"%s %d\\n" % (name.encode(), number))
    os.write(2, b"%s " % name.encode() if name == "one" else b"")
    os.write(2, b"%d\\n" % number if name == "one" else b"")
    if number % 50 == 0:
        time.sleep(0.001)
        if os.path.exists(stop):
            break
"""


def supervise(place, told, keep=None):
    """Be a supervisor until somebody kills it; hand the ends of its container's pipes over first."""

    async def run():
        keeping = Keeper(place, lambda report: None)
        await keeping.start()
        writers = await keeping.keep("box", keep, LARGE, 3) if keep else ()
        assert list(await keeping.kept()) == ["box"]
        socket.send_fds(told, [b"ready"], writers) if writers else told.send(b"ready")
        await asyncio.sleep(1000)

    asyncio.run(run())


@contextmanager
def supervisor(place, keep=None):
    """Give the write ends that a supervisor's process has made; it is killed when the context ends."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = fork(lambda: supervise(place, theirs, keep))
    theirs.close()
    try:
        ours.settimeout(LIMIT)
        message, writers, _, _ = socket.recv_fds(ours, 100, 2)
        assert message == b"ready"
        yield writers
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        ours.close()


@contextmanager
def running(program, *arguments, **streams):
    """Run a program of Python until the context ends."""
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", program, *arguments], **streams) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def counting(writers, stop):
    """Let two processes write numbers into the same pipes."""
    out, err = writers
    streams = {"stdout": out, "stderr": err}
    with running(COUNTING, "one", stop, **streams) as one, running(COUNTING, "two", stop, **streams) as two:
        os.close(out)
        os.close(err)
        yield
        stop.touch()
        assert (one.wait(LIMIT), two.wait(LIMIT)) == (0, 0)


def numbers_in(output):
    """Return the numbers that each process has written."""
    found = defaultdict(list)
    for line in output.splitlines():
        name, number = line.split()
        found[name].append(int(number))
    return found


def test_no_line_is_lost_when_supervisors_are_killed(place, box, tmp_path):
    with supervisor(place, keep=box) as writers:
        first = pid_of_keeper(place)
        ends = list(map(os.dup, writers))
    for writer in writers:
        os.close(writer)
    told, tells = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with counting(ends, tmp_path / "stop"):
        for number in range(20):
            with supervisor(place):
                time.sleep(0.02)
            # This one is killed at any point of its beginning.
            pid = fork(lambda: supervise(place, tells))
            time.sleep(0.002 * number)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        told.close()
        tells.close()
        assert pid_of_keeper(place) == first

    async def body(keeping):
        await keeping.flush("box")

    kept(place, body)
    output = output_of(box)
    for found in (numbers_in(output[STDOUT]), numbers_in(output[STDERR])):
        for numbers in found.values():
            assert len(numbers) > 1000
            assert numbers == list(range(len(numbers)))
    assert sorted(numbers_in(output[STDOUT])) == [b"one", b"two"]
    assert sorted(numbers_in(output[STDERR])) == [b"one"]


def test_a_killed_keeper_is_replaced_and_nothing_afterwards_is_lost(place, box):
    reports = []

    async def body(keeping):
        out, err = await keeping.keep("box", box, LARGE, 3)
        killed = []
        for number in range(10):
            killed.append(pid_of_keeper(place))
            end(killed[-1])
            # Nobody reads by now: it waits in the pipe.
            os.write(out, b"after %d\n" % number)
            os.write(err, b"error %d\n" % number)
            await keeping.flush("box")
            assert read_log(box).count(b"\n") == 2 * (number + 1)
        assert len({*killed, pid_of_keeper(place)}) == 11
        os.close(out)
        os.close(err)

    kept(place, body, reports)
    assert output_of(box) == {
        STDOUT: b"".join(b"after %d\n" % number for number in range(10)),
        STDERR: b"".join(b"error %d\n" % number for number in range(10)),
    }
    assert reports == ["the log keeper has ended or does not answer"] * 10


def test_a_keeper_is_replaced_without_being_asked_for_anything(place, box):
    async def body(keeping):
        out, err = await keeping.keep("box", box, LARGE, 3)
        end(pid_of_keeper(place))
        os.write(out, b"later\n")
        await until(lambda: read_log(box))
        os.close(out)
        os.close(err)

    kept(place, body)
    assert read_log(box) == b"later\n"


def test_one_that_is_ended_again_and_again_is_replaced_at_leisure(place, box):
    async def body(keeping):
        writers = await keeping.keep("box", box, LARGE, 3)
        began = asyncio.get_running_loop().time()
        seen = [pid_of_keeper(place)]
        while len(seen) < 4:
            end(seen[-1])
            seen.append(await until(lambda: found_keeper(place)))
        assert len(set(seen)) == 4
        # Only the first one may have lived long enough to be replaced at once.
        assert asyncio.get_running_loop().time() - began >= 2 * AGAIN
        for writer in writers:
            os.close(writer)
        await ended(keeping, "box")

    kept(place, body)


@pytest.mark.parametrize("delay", [0, 0.005, 0.02, 0.05, 0.1, 0.2])
def test_a_supervisor_that_ends_while_it_reaches_for_a_keeper_leaves_nothing_open(place, delay):
    async def body(keeping):
        end(pid_of_keeper(place))
        reaching = asyncio.ensure_future(keeping.start())
        await asyncio.sleep(delay)
        reaching.cancel()
        keeping.close()
        await asyncio.wait([reaching])

    before = sorted(os.listdir("/proc/self/fd"))
    kept(place, body)
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_later_supervisors_replace_a_keeper_too(place, box):
    """What the first one has opened, the second one has from the keeper."""

    async def first(keeping):
        return await keeping.keep("box", box, LARGE, 3)

    async def second(keeping):
        end(pid_of_keeper(place))
        os.write(out, b"later\n")
        await keeping.flush("box")
        os.close(out)
        os.close(err)
        await ended(keeping, "box")

    out, err = kept(place, first)
    kept(place, second)
    assert read_log(box) == b"later\n"


def test_a_fault_of_the_keeper_is_reported(place):
    """Its standard error is read when it has ended."""
    reports = []

    async def body(_keeping):
        (place / "keeper.errors").write_text("KeyError: 'fault'\n")
        end(pid_of_keeper(place))
        await until(lambda: reports)

    kept(place, body, reports)
    assert reports == ["the log keeper has ended or does not answer: KeyError: 'fault'"]


def resident(pid):
    """Return KiB of memory that a process has, its share of what is shared (proc_pid_smaps(5))."""
    return int(re.search(r"^Pss: +(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)[1])


def processor_time(pid):
    return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])) / os.sysconf(
        "SC_CLK_TCK"
    )


STEALING = """
import os
own = os.open("/proc/self/fd/1", os.O_RDONLY)
while True:
    os.write(1, b"x" * 5000)
    os.read(own, 4000)
"""


def test_one_that_reads_its_own_output_harms_nobody(place, box, tmp_path):
    other = tmp_path / "other"
    other.mkdir()

    async def body(keeping):
        pid = pid_of_keeper(place)
        out, err = await keeping.keep("box", box, LARGE, 3)
        theirs = await keeping.keep("other", other, LARGE, 3)
        with running(STEALING, stdout=out):
            for number in range(500):
                await keeping.flush("box")
                os.write(theirs[0], b"line %d\n" % number)
        await keeping.flush("other")
        assert read_log(other) == b"".join(b"line %d\n" % number for number in range(500))
        assert pid_of_keeper(place) == pid
        for writer in (out, err, *theirs):
            os.close(writer)

    kept(place, body)


YES = """
import os, sys
data, taken = b"y\\n" * 8192, 0
with open(sys.argv[1], "wb", buffering=0) as told:
    while True:
        taken += os.write(1, data)
        os.pwrite(told.fileno(), b"%d" % taken, 0)
"""


def test_one_that_writes_all_the_time_is_held_back(place, box, tmp_path):
    other = tmp_path / "other"
    other.mkdir()

    async def body(keeping):
        pid = pid_of_keeper(place)
        before = resident(pid)
        out, err = await keeping.keep("box", box, 1 << 20, 3)
        theirs = await keeping.keep("other", other, LARGE, 3)
        began = time.monotonic()
        counted = tmp_path / "counted"
        with running(YES, counted, stdout=out):
            os.close(out)
            os.close(err)
            number = 0
            while time.monotonic() < began + 3:
                os.write(theirs[0], b"line %d\n" % number)
                asked = time.monotonic()
                await until(lambda number=number: read_log(other).endswith(b"line %d\n" % number))
                assert time.monotonic() < asked + 2
                number += 1
                await asyncio.sleep(0.05)
                assert size_of(box) <= 3 << 20
                assert resident(pid) < before + (8 << 10)
        taken = int(counted.read_bytes())
        elapsed = time.monotonic() - began
        # Each of these lines has forty bytes before it.
        grown = taken // 2 * 42
        assert keeper.BURST < grown < keeper.BURST + keeper.RATE * (elapsed + 1)
        assert processor_time(pid) < elapsed / 2
        assert number > 10
        for writer in theirs:
            os.close(writer)

    kept(place, body)


def test_a_thousand_idle_containers_are_small(place, tmp_path):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    async def body(keeping):
        pid = pid_of_keeper(place)
        empty = resident(pid)
        own = os.pidfd_open(os.getpid())
        writers = []
        for number in range(1000):
            (tmp_path / f"box{number}").mkdir()
            writers += await keeping.keep(f"box{number}", tmp_path / f"box{number}", LARGE, 3)
            await keeping.hold(f"box{number}", {"pidfd": own})
        for writer in writers:
            os.write(writer, b"a line\n")
        for number in range(1000):
            await keeping.flush(f"box{number}")
        assert resident(pid) < empty + (4 << 10)
        end(pid)
        await keeping.flush("box0")
        for writer in writers:
            os.write(writer, b"another\n")
        for number in range(1000):
            await keeping.flush(f"box{number}")
            assert read_log(tmp_path / f"box{number}") == b"a line\na line\nanother\nanother\n"
            await keeping.forget(f"box{number}")
        for descriptor in (own, *writers):
            os.close(descriptor)
        # The directory and no pipe is left of any: epoll, lock, listener, connection, this one, and its streams.
        await until(lambda: len(os.listdir(f"/proc/{pid_of_keeper(place)}/fd")) < 15)

    kept(place, body)


class TestFailures:
    @needs_root
    def test_a_full_disk(self, place, box, tmp_path):
        full = tmp_path / "full"
        full.mkdir()

        async def body(keeping):
            (full / "box").mkdir()
            out, err = await keeping.keep("box", full / "box", LARGE, 3)
            other, other_err = await keeping.keep("other", box, LARGE, 3)
            os.write(out, b"before\n")
            await keeping.flush("box")
            with (full / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
                while True:
                    ballast.write(b"x" * 4096)
            lost = [b"x" * 6000 + b"\n", b"y" * 7000 + b"\n"]
            for line in lost:
                os.write(out, line)
                os.write(other, line)
                await keeping.flush("box")
                await keeping.flush("other")
            assert read_log(full / "box") == b"before\n"
            assert read_log(box) == b"".join(lost)
            (full / "ballast").unlink()
            os.write(out, b"after\n")
            await keeping.flush("box")
            told = b"haconiwa: 13002 bytes could not be written (ENOSPC)\n"
            assert output_of(full / "box") == {STDOUT: b"before\nafter\n", STDERR: told}
            assert [line.split(b" ", 3)[3] for line in lines_in(full / "box")] == [b"before", told[:-1], b"after"]
            for writer in (out, err, other, other_err):
                os.close(writer)

        def on_a_small_disk():
            system_call(Call.unshare, c.CLONE_NEWNS)
            subprocess.run(["mount", "--make-rprivate", "/"], check=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", full], check=True)
            kept(place, body)

        assert forked(on_a_small_disk) == 0

    @pytest.mark.parametrize("kind", ["symlink", "fifo", "directory"])
    def test_what_is_no_file_is_not_written_to(self, place, box, tmp_path, kind):
        target = tmp_path / "target"
        target.write_text("untouched")
        planted = box / LINES_NAME
        {
            "symlink": lambda: planted.symlink_to(target),
            "fifo": lambda: os.mkfifo(planted),
            "directory": planted.mkdir,
        }[kind]()

        async def body(keeping):
            out, err = await keeping.keep("box", box, LARGE, 3)
            reader = os.open(planted, os.O_RDONLY | os.O_NONBLOCK) if kind == "fifo" else None
            os.write(out, b"secret\n")
            await keeping.flush("box")
            assert target.read_text() == "untouched"
            if reader is not None:
                assert os.read(reader, 100) == b""
                os.close(reader)
            planted.rmdir() if kind == "directory" else planted.unlink()
            os.write(out, b"public\n")
            await keeping.flush("box")
            os.close(out)
            os.close(err)

        kept(place, body)
        name = errno.errorcode[{"symlink": errno.ELOOP, "fifo": errno.EINVAL, "directory": errno.EISDIR}[kind]]
        told = f"haconiwa: 7 bytes could not be written ({name})\n"
        assert output_of(box) == {STDERR: told.encode(), STDOUT: b"public\n"}
        assert target.read_text() == "untouched"

    def test_a_directory_that_was_removed(self, place, box, tmp_path):
        async def body(keeping):
            out, err = await keeping.keep("box", box, LARGE, 3)
            (box / LINES_NAME).unlink()
            box.rmdir()
            os.write(out, b"nobody reads this\n")
            await keeping.flush("box")
            os.close(out)
            os.close(err)
            await ended(keeping, "box")

        kept(place, body)
        assert not box.exists()

    def test_files_are_private(self, place, box):
        kept(place, written(box, (STDOUT, b"x" * 3000 + b"\n"), (STDOUT, b"y" * 3000 + b"\n"), size=4096))
        modes = {stat.S_IMODE(each.stat().st_mode) for each in (*box.iterdir(), *place.iterdir())}
        assert modes == {0o600}
        assert {each.name for each in place.iterdir()} == {"keeper", "keeper.lock", "keeper.errors"}


class TestWhoIsServed:
    def test_a_second_keeper_is_refused(self, place):
        async def body(_keeping):
            first = pid_of_keeper(place)
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            command = [sys.executable, "-I", "-S", keeper.__file__, place]
            with ours, theirs:
                subprocess.run(command, stdin=theirs, check=True, timeout=LIMIT)
                theirs.close()
                ours.settimeout(LIMIT)
                assert (ours.recv(100), ours.recv(100)) == (b"busy", b"")
            assert pid_of_keeper(place) == first

        kept(place, body)

    def test_two_supervisors_start_one_keeper(self, place):
        """The lock decides; who has lost connects to the other one's."""

        async def body(keeping):
            others = [Keeper(place, print) for _ in range(4)]
            end(pid_of_keeper(place))
            await asyncio.gather(*(other.start() for other in others))
            await keeping.kept()
            for other in others:
                other.close()

        kept(place, body)

    @needs_root
    @pytest.mark.parametrize(("user", "served"), [(0, True), (65534, False)])
    def test_another_user_is_not_served(self, place, user, served):
        async def body(_keeping):
            # What protects it first is put out of action.
            place.chmod(0o755)
            (place / "keeper").chmod(0o666)
            assert await asyncio.to_thread(forked, ask) == 0

        def ask():
            os.chdir(place)
            become(user)
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
                connection.settimeout(LIMIT)
                connection.connect("keeper")
                try:
                    connection.send(b"take 0")
                    answer = connection.recv(100)
                except (BrokenPipeError, ConnectionResetError):
                    answer = b""
            assert answer == (b"ok" if served else b"")

        kept(place, body)

    @pytest.mark.parametrize(
        ("request_", "files"),
        [
            (b"nonsense", 0),
            (b"keep box 4096 3 stdout", 0),
            (b"keep box 4096 3 directory", 2),
            (b"keep box 4096 3 directory directory", 2),
            (b"keep box 4096 3 directory stdout", 2),
            (b"keep box 4096 3 stdout", 1),
            (b"keep box 4096 3 stdin", 1),
            (b"keep box many 3", 0),
            (b"keep box", 0),
            (b"hold nobody", 0),
            (b"hold nobody pidfd", 0),
            (b"hold nobody stdout", 1),
            (b"take -1", 0),
            (b"take x", 0),
            (b"flush nobody", 0),
            (b"\xff", 0),
        ],
    )
    def test_what_it_does_not_understand_is_refused(self, place, request_, files):
        async def body(_keeping):
            pid = pid_of_keeper(place)
            with connected(place) as connection, open(os.devnull) as file:
                connection.settimeout(LIMIT)
                connection.send(b"take 0")
                assert connection.recv(100) == b"ok"
                before = os.listdir(f"/proc/{pid}/fd")
                socket.send_fds(connection, [request_], [file.fileno()] * files)
                answer = connection.recv(1000)
                assert answer.startswith(b"error ") or request_ == b"take -1"
                assert os.listdir(f"/proc/{pid}/fd") == before
            assert pid_of_keeper(place) == pid

        kept(place, body)

    @pytest.mark.parametrize(
        ("kinds", "size", "files", "is_kept"),
        [
            ("directory stdout", 4096, 1, True),
            ("stdout directory", 4096, 1, True),
            ("stdout", 4096, 1, False),
            ("directory stdout", 4095, 1, False),
            ("directory stdout", 4096, 0, False),
        ],
    )
    def test_a_log_needs_its_directory_and_bounds(self, place, box, kinds, size, files, is_kept):
        async def body(_keeping):
            reader, writer = os.pipe()
            directory = os.open(box, os.O_RDONLY)
            given = {"directory": directory, "stdout": reader}
            with connected(place) as connection:
                request = f"keep box {size} {files} {kinds}".encode()
                socket.send_fds(connection, [request], [given[kind] for kind in kinds.split()])
                assert (connection.recv(1000) == b"ok") == is_kept
            for descriptor in (reader, writer, directory):
                os.close(descriptor)

        kept(place, body)
        assert (box / LINES_NAME).exists() == is_kept

    @pytest.mark.parametrize(
        ("size", "files"), [(5000, 0), (6, keeper.MAX_DESCRIPTORS + 1)], ids=["a long message", "many descriptors"]
    )
    def test_what_is_too_much_ends_the_connection(self, place, size, files):
        async def body(_keeping):
            pid = pid_of_keeper(place)
            with connected(place) as connection, open(os.devnull) as file:
                connection.settimeout(LIMIT)
                before = len(os.listdir(f"/proc/{pid}/fd"))
                socket.send_fds(connection, [b"x" * size], [file.fileno()] * files)
                assert connection.recv(1000) == b""
                assert len(os.listdir(f"/proc/{pid}/fd")) <= before
            assert pid_of_keeper(place) == pid

        kept(place, body)


class TestItsLife:
    def test_what_has_ended_takes_no_time(self, place, box):
        """The supervisor has the pipes open still, whose ends are told again and again to who listens."""

        async def body(keeping):
            for writer in await keeping.keep("box", box, LARGE, 3):
                os.close(writer)
            await ended(keeping, "box")
            pid = pid_of_keeper(place)
            before = processor_time(pid)
            await asyncio.sleep(1)
            assert processor_time(pid) < before + 0.2

        kept(place, body)

    def test_it_has_nothing_of_the_caller(self, place):
        reader, writer = os.pipe()
        os.set_inheritable(writer, True)

        async def body(_keeping):
            os.close(writer)
            assert is_readable(reader, LIMIT)
            assert os.read(reader, 1) == b""
            pid = pid_of_keeper(place)
            assert os.readlink(f"/proc/{pid}/cwd") == "/"
            assert os.getsid(pid) not in (pid, os.getsid(0))
            assert Path(f"/proc/{pid}/environ").read_bytes() == b""
            assert {os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)} == {
                "/dev/null",
                str(place / "keeper.errors"),
            }
            loaded = Path(f"/proc/{pid}/maps").read_text()
            assert not [name for name in ("_json", "_ctypes", "_asyncio") if name in loaded]
            with pytest.raises(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

        kept(place, body)
        os.close(reader)

    def test_it_ends_when_there_is_nothing_to_do(self, place, box):
        async def body(keeping):
            out, err = await keeping.keep("box", box, LARGE, 3)
            await keeping.forget("box")
            return out, err

        out, err = kept(place, body)
        pidfd = os.pidfd_open(pid_of_keeper(place))
        assert not is_readable(pidfd, keeper.IDLE + 1)  # Somebody can still write.
        os.write(out, b"late\n")
        os.close(out)
        os.close(err)
        assert is_readable(pidfd, keeper.IDLE + LIMIT)
        os.close(pidfd)
        assert read_log(box) == b"late\n"
        assert {each.name for each in place.iterdir()} == {"keeper.lock", "keeper.errors"}
        kept(place, written(box, (STDOUT, b"again\n")))
        assert read_log(box) == b"late\nagain\n"

    def test_a_name_is_used_again_while_somebody_still_writes(self, place, box):
        async def body(keeping):
            former = await keeping.keep("box", box, 4096, 9)
            os.write(former[0], b"first\nfirst, un")
            latter = await keeping.keep("box", box, 4096, 9)
            for number in range(100):
                os.write(latter[0], b"second %d " % number + b"x" * 100 + b"\n")
                os.write(former[1], b"first %d " % number + b"x" * 100 + b"\n")
                await keeping.flush("box")
            os.write(former[0], b"finished\n")
            await until(lambda: b"first, unfinished\n" in read_log(box))
            for writer in (*former, *latter):
                os.close(writer)
            await ended(keeping, "box")

        kept(place, body)
        found = read_log(box).decode().splitlines()
        for who in ("first", "second"):
            numbers = [int(line.split()[1]) for line in found if re.match(rf"{who} \d", line)]
            assert numbers
            assert numbers == list(range(100))[-len(numbers) :]
        assert max(each.stat().st_size for each in box.iterdir()) <= 4096

    def test_exit_statuses_outlive_the_supervisor(self, place, box, tmp_path):
        """The process is reaped by another one, and a later supervisor knows how it has ended."""
        gate = tmp_path / "gate"
        os.mkfifo(gate)
        told, tells = os.pipe()

        def supervising():
            async def body(keeping):
                pid = os.posix_spawn("/bin/sh", ["sh", "-c", f"read x <{gate}; exit 7"], {})
                pidfd = os.pidfd_open(pid)
                await keeping.keep("box", box, LARGE, 3)
                await keeping.hold("box", {"pidfd": pidfd})
                os.write(tells, b"%d" % pid)
                os.kill(os.getpid(), signal.SIGKILL)

            kept(place, body)

        async def body(keeping):
            (name, held) = (await keeping.kept()).popitem()
            pidfd = held["pidfd"]
            assert name == "box"
            assert not is_readable(pidfd, 0)
            gate.write_text("go\n")
            assert os.waitpid(pid, 0)[0] == pid
            assert is_readable(pidfd, LIMIT)
            status = end_of(pidfd).exit_status
            os.close(pidfd)
            await keeping.forget("box")
            assert await keeping.kept() == {}
            return status

        adopt_orphans(True)
        try:
            assert forked(supervising) == -signal.SIGKILL
            pid = int(os.read(told, 20))
            status = kept(place, body)
        finally:
            adopt_orphans(False)
            os.close(told)
            os.close(tells)
        if status is None:
            pytest.skip("needs PIDFD_GET_INFO with exit information (Linux 6.15)")
        assert status == 7

    def test_a_process_is_kept_without_a_log(self, place):
        async def first(keeping):
            own = os.pidfd_open(os.getpid())
            for _ in range(2):
                await keeping.hold("box", {"pidfd": own})
            os.close(own)
            end(pid_of_keeper(place))
            await keeping.flush("box")

        async def second(keeping):
            (name, held) = (await keeping.kept()).popitem()
            pidfd = held["pidfd"]
            signal.pidfd_send_signal(pidfd, 0)
            os.close(pidfd)
            assert (name, await descriptors_of(keeping, "box")) == ("box", {"pidfd"})
            await keeping.forget("box")
            assert await descriptors_of(keeping, "box") == set()

        kept(place, first)
        kept(place, second)

    def test_what_cannot_be_kept_leaves_nothing(self, place, box, tmp_path):
        async def body(keeping):
            before = os.listdir("/proc/self/fd")
            for name, directory, size, files in (
                ("../box", box, LARGE, 3),
                ("box", box, 4095, 3),
                ("box", box, LARGE, 0),
            ):
                with pytest.raises(ValueError, match=r"no log can|cannot name"):
                    await keeping.keep(name, directory, size, files)
            with pytest.raises(ValueError, match="cannot name"):
                await keeping.hold("box 1", {"pidfd": 0})
            with pytest.raises(FileNotFoundError):
                await keeping.keep("box", tmp_path / "absent", LARGE, 3)
            (tmp_path / "link").symlink_to(box)
            with pytest.raises(NotADirectoryError):
                await keeping.keep("box", tmp_path / "link", LARGE, 3)
            await keeping.flush("box")
            await keeping.forget("box")
            assert (await keeping.kept(), os.listdir("/proc/self/fd")) == ({}, before)

        kept(place, body)

    def test_a_keeper_that_cannot_be_started_says_why(self, place):
        (place / "keeper.lock").mkdir()
        with pytest.raises(HaconiwaError, match=r"(?s)the log keeper could not be started: .*Is a directory"):
            kept(place, lambda _keeping: None)


def test_both_sides_name_the_files_alike():
    assert keeper.LOG_NAME == LINES_NAME


def test_who_waits_when_it_is_closed_is_told(place, box):
    async def body(keeping):
        out, err = await keeping.keep("box", box, LARGE, 3)
        pid = pid_of_keeper(place)
        os.kill(pid, signal.SIGSTOP)
        flushing = asyncio.ensure_future(keeping.flush("box"))
        await asyncio.sleep(0.01)
        keeping.close()
        with pytest.raises(HaconiwaError, match="the log keeper was closed"):
            await flushing
        os.kill(pid, signal.SIGCONT)
        os.close(out)
        os.close(err)

    kept(place, body)

"""`haconiwa logs`: what it prints where, of logs with times and without."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from haconiwa_runtime.logs import LINES_NAME
from system.world import haconiwa, reap_everything, time_limit

from haconiwa_core.linux.host import adopt_orphans
from haconiwa_core.runtime.store import Store

FILE = Path("/run/haconiwa/box", LINES_NAME)


@pytest.fixture(autouse=True)
def _box(private_world):
    """A container that runs, has written two lines, and ends when told."""
    adopt_orphans(True)
    try:
        script = "printf 'one\\ntwo'; until [ -e /run/go ]; do sleep 0.01; done; printf '\\nend\\0\\377'"
        assert haconiwa("run", "-d", "--name", "box", "--", "sh", "-c", script).returncode == 0
        with time_limit(20):
            while logs().stdout != b"one\ntwo":
                time.sleep(0.005)
        yield
        assert haconiwa("rm", "-f", "box").returncode == 0
        reap_everything()
        assert Store().names() == []
    finally:
        adopt_orphans(False)


def logs(*options):
    done = haconiwa("logs", *options, "box", text=False)
    assert done.returncode == 0, done.stderr
    return done


@contextmanager
def following(*options):
    """Give the process of a `logs -f`, which is gone when the context ends."""
    command = [sys.executable, "-m", "haconiwa_core", "logs", "-f", *options, "box"]
    with time_limit(30), subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def line(text, ago=0, stream="stdout", tag="F"):
    """Return a line that was written so many seconds ago."""
    stamp = (datetime.now(UTC) - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
    return f"{stamp} {stream} {tag} ".encode() + text + b"\n"


class TestWithTimes:
    @pytest.fixture(autouse=True)
    def _lines(self):
        self.lines = [
            line(b"old", ago=7000),
            line(b"long ", ago=3000, tag="P"),
            line(b"error", ago=2000, stream="stderr"),
            line(b"line", ago=1000),
            line(b"\0\xff", ago=500),
            line(b"new, no end", tag="P"),
        ]
        FILE.with_name(f"{FILE.name}.1").write_bytes(b"".join(self.lines[:2]))
        FILE.write_bytes(b"".join(self.lines[2:]))

    def test_streams_come_apart_byte_for_byte(self):
        done = logs()
        assert (done.stdout, done.stderr) == (b"old\nlong line\n\0\xff\nnew, no end", b"error\n")

    def test_the_order_of_both_is_kept(self):
        done = haconiwa(
            "logs", "box", text=False, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, capture_output=False
        )
        assert done.stdout == b"old\nlong error\nline\n\0\xff\nnew, no end"

    @pytest.mark.parametrize(
        ("lines", "stdout", "stderr"),
        [("0", b"", b""), ("2", b"\0\xff\nnew, no end", b""), ("4", b"long line\n\0\xff\nnew, no end", b"error\n")],
    )
    def test_tail(self, lines, stdout, stderr):
        done = logs("--tail", lines)
        assert (done.stdout, done.stderr) == (stdout, stderr)

    @pytest.mark.parametrize("since", ["1h", "60m", "3600s", "0.5d"])
    def test_since(self, since):
        """A line counts from its beginning."""
        done = logs("--since", since)
        old = b"old\n" if since == "0.5d" else b""
        assert (done.stdout, done.stderr) == (old + b"long line\n\0\xff\nnew, no end", b"error\n")

    @pytest.mark.parametrize("zone", [UTC, None])
    def test_since_a_time(self, zone):
        moment = datetime.now(zone) - timedelta(seconds=2500)
        done = logs("--since", moment.isoformat())
        # What goes on with a line that had begun before is left out, too.
        assert (done.stdout, done.stderr) == (b"\0\xff\nnew, no end", b"error\n")

    def test_timestamps(self):
        stamps = [each[:30] for each in self.lines]
        done = logs("-t")
        assert done.stderr == stamps[2] + b" error\n"
        assert done.stdout == b"%b old\n%b long line\n%b \0\xff\n%b new, no end" % (*stamps[:2], *stamps[4:])

    def test_follow(self):
        with following("--tail", "1") as process:
            assert process.stdout.read(len("new, no end")) == b"new, no end"
            with FILE.open("ab") as file:
                file.write(line(b"; an end"))
            assert process.stdout.readline() == b"; an end\n"
            FILE.rename(FILE.with_name(f"{FILE.name}.1"))
            FILE.write_bytes(line(b"rotated"))
            assert process.stdout.readline() == b"rotated\n"
            with FILE.open("ab") as file:
                file.write(line(b"error", stream="stderr"))
            assert process.stderr.readline() == b"error\n"
            with FILE.open("ab") as file:
                file.write(line(b"last"))
            Path("/run/go").touch()
            assert process.communicate(timeout=20) == (b"last\n", b"")
            assert process.returncode == 0

    def test_what_was_missed_is_told(self):
        with following("--tail", "1") as process:
            assert process.stdout.read(len("new, no end")) == b"new, no end"
            process.send_signal(signal.SIGSTOP)
            for number in range(3):
                file = FILE.with_name("next")
                file.write_bytes(line(b"%d" % number))
                FILE.with_name(f"{FILE.name}.1").write_bytes(line(b"between"))
                file.rename(FILE)
            process.send_signal(signal.SIGCONT)
            assert [process.stdout.readline() for _ in range(2)] == [b"between\n", b"2\n"]
            Path("/run/go").touch()
            _, err = process.communicate(timeout=20)
            assert b"some of what box has written was rotated away" in err


class TestWithoutTimes:
    @pytest.mark.parametrize("options", [["-t"], ["--since", "10m"]])
    def test_times_are_refused(self, options):
        done = haconiwa("logs", *options, "box")
        assert (done.returncode, done.stdout) == (125, "")
        assert "the log of box holds no times" in done.stderr

    def test_tail_and_follow(self):
        with following("--tail", "1") as process:
            assert process.stdout.read(3) == b"two"
            Path("/run/go").touch()
            assert process.communicate(timeout=20)[0] == b"\nend\0\xff"


@pytest.mark.parametrize(
    "options",
    [["--tail", "-1"], ["--tail", "x"], ["--since", "soon"], ["--since", "m"], ["--since", "infd"], ["--since", "-"]],
)
def test_what_is_no_number_and_no_time(options):
    done = haconiwa("logs", *options, "box")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves():
    FILE.write_bytes(line(b"x" * 1000) * 1000)
    reader, writer = os.pipe()
    os.close(reader)
    done = haconiwa("logs", "box", stdout=writer, stderr=subprocess.PIPE, capture_output=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (125, "")

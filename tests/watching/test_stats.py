"""What control groups tell of containers, and what somebody sees of it on a terminal of 80 columns."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from contextlib import contextmanager
from pathlib import Path

import pyte
import pytest
from haconiwa_cgroup import Cgroup, Io
from haconiwa_ns_pid import PidNamespace
from haconiwa_runtime import Runtime
from haconiwa_stats.groups import Groups
from haconiwa_stats.sampling import Sampler
from system.world import time_limit

from haconiwa_core import Container
from haconiwa_core.host import gather
from haconiwa_core.runtime.record import Process, Record
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing import haconiwa_command, needs_root

CONTROLLERS = {name: tree for tree in gather().cgroups for name in tree.controllers}

pytestmark = [
    needs_root,
    pytest.mark.skipif(not CONTROLLERS.keys() >= {"memory", "pids"}, reason="no controllers of memory and pids here"),
]

COLUMNS, ROWS = 80, 12
EATER = f"{sys.executable} -I -S -c 'import time; kept = b\"x\" * (48 << 20); time.sleep(1000)'"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "state")


@pytest.fixture
def runtime(store):
    with Runtime(store=store) as runtime:
        yield runtime


def start(runtime, name, *features, script="exec sleep 1000"):
    return runtime.start(Container(name, ["sh", "-c", script], features))


def sample_of(sampler, name):
    return next(sample for sample in sampler.samples() if sample.name == name)


def until(condition):
    with time_limit(30):
        while not (found := condition()):
            time.sleep(0.02)
    return found


def group_of(name, controller):
    """Return the directory of a container's group, found by its name."""
    (found,) = Path(CONTROLLERS[controller].mount).glob(f"**/haconiwa/{name}")
    return found


def test_memory_and_processes_are_those_of_its_groups(runtime, store):
    start(runtime, "seeing-box", Cgroup(memory="64M", pids=20), script=f"sleep 1000 & exec {EATER}")
    sampler = Sampler(store, ["seeing-box"])
    usage = until(lambda: (found := sample_of(sampler, "seeing-box").usage) and found.memory > 48 << 20 and found)
    assert (usage.memory_limit, usage.pids, usage.pids_limit) == (64 << 20, 2, 20)
    files = ("memory.current", "memory.usage_in_bytes")
    folder = group_of("seeing-box", "memory")
    (file,) = [folder / name for name in files if (folder / name).exists()]
    assert abs(usage.memory - int(file.read_text())) < 4 << 20


def test_processor_time_and_waiting_are_those_of_its_groups(runtime, store):
    start(runtime, "seeing-busy", Cgroup(pids=20), script="while :; do :; done")
    start(runtime, "seeing-idle", Cgroup(pids=20))
    sampler = Sampler(store, ())
    sampler.samples()
    time.sleep(1)
    busy, idle = sampler.samples()
    assert busy.cpu > 5 > idle.cpu >= 0
    (unified,) = [tree for tree in gather().cgroups if tree.version == 2] or [None]
    if unified and Path(unified.mount, "cpu.pressure").exists():
        assert busy.usage.source == "both" if "memory" not in unified.controllers else "cgroup"
        assert all(each is not None for each in busy.usage[-3:])


def test_what_is_written_is_counted(runtime, store, tmp_path):
    if not CONTROLLERS.keys() & {"io", "blkio"}:
        pytest.skip("this host has no controller of disks")
    device = os.stat(tmp_path).st_dev
    write = f"while :; do dd if=/dev/zero of={tmp_path}/file bs=1M count=4 oflag=direct 2>/dev/null; done"
    limit = {f"{os.major(device)}:{os.minor(device)}": Io(wbps="1G")}
    start(runtime, "seeing-box", Cgroup(io=limit), script=write)
    sampler = Sampler(store, ["seeing-box"])
    sampler.samples()
    written = until(lambda: sample_of(sampler, "seeing-box").io_written)
    assert written > 1 << 20


def test_without_groups_its_processes_are_told(runtime, store):
    start(runtime, "seeing-box", PidNamespace(), script="sleep 1000 & setsid sleep 1000 & wait")
    usage = until(lambda: (found := sample_of(Sampler(store, ()), "seeing-box").usage).pids == 3 and found)
    assert (usage.source, usage.memory_limit, usage.cpu_pressure) == ("proc", None, None)


def test_the_last_minute_is_kept(runtime, store):
    start(runtime, "seeing-box", Cgroup(memory="64M"))
    sampler = Sampler(store, ())
    for _ in range(3):
        sample = sample_of(sampler, "seeing-box")
    assert len(sample.memory) == 3
    assert [ago for ago, _ in sample.memory] == sorted((ago for ago, _ in sample.memory), reverse=True)


def test_files_of_version_2_are_read(tmp_path):
    """Whatever this host has: they are as the kernel documents them (Documentation/admin-guide/cgroup-v2.rst)."""
    files = {
        "cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
        "memory.current": "1048576\n",
        "memory.max": "max\n",
        "pids.current": "3\n",
        "pids.max": "7\n",
        "io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=2\n8:16 rbytes=1 wbytes=2 rios=0 wios=0\n",
        "cpu.pressure": "some avg10=1.50 avg60=0.00 avg300=0.00 total=5\nfull avg10=0.00 avg60=0.00 total=0\n",
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    groups = Groups(Record("x", {}, "", 0.0, "running", "end", Process.of_this(), group=("/none", "x")), ())
    assert groups.places == {}
    groups.places = dict.fromkeys(("", "cpu", "memory", "pids", "io"), (str(tmp_path), 2))
    usage = groups.usage()
    assert usage.cpu == pytest.approx(2.5)
    assert (usage.memory, usage.memory_limit, usage.pids, usage.pids_limit) == (1 << 20, None, 3, 7)
    assert (usage.io_read, usage.io_written) == (11, 22)
    assert (usage.cpu_pressure, usage.memory_pressure) == (1.5, None)


# What somebody sees.


@contextmanager
def on_terminal(store, *arguments):
    """Run the command line on a terminal; give a function that reads on, and returns the lines that are shown."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", ROWS, COLUMNS, 0, 0))
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "HACONIWA_STATE": str(store.directory)}
    command = [*haconiwa_command(), *arguments]
    process = subprocess.Popen(command, env=environment, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    os.set_blocking(master, False)
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)

    def look():
        try:
            stream.feed(os.read(master, 1 << 20))
        except BlockingIOError:
            pass
        except OSError:  # The program has ended.
            assert process.wait(30) is not None
        return [line.rstrip() for line in screen.display]

    try:
        yield screen, look, process
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_stats_are_readable_on_80_columns(runtime, store):
    start(runtime, "web-3f9a", Cgroup(memory="64M", pids=20), script=f"exec {EATER}")
    start(runtime, "worker-17", PidNamespace(), script="while :; do :; done")
    with on_terminal(store, "stats", "--interval", "0.2") as (screen, look, process):
        # The eater has eaten, and the second look was taken.
        lines = until(lambda: "M/64M" in (found := look())[1] and found[2].split()[1] != "-" and found)
        assert lines[0].split() == ["NAME", "CPU%", "MEMORY", "1", "MIN", "PIDS", "IO", "R/W", "WAIT", "C/M/I", "FROM"]
        rows = [line.split() for line in lines[1:3]]
        assert [row[0] for row in rows] == ["web-3f9a", "worker-17"]
        assert rows[1][-1] == "proc"
        assert lines[3:] == [""] * (ROWS - 3)
        assert screen.cursor.hidden
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        until(lambda: look() and not screen.cursor.hidden)


def test_more_containers_than_lines_are_counted(runtime, store):
    for number in range(ROWS + 3):
        start(runtime, f"box{number:02}")
    with on_terminal(store, "stats", "--interval", "0.2") as (_, look, _process):
        lines = until(lambda: (found := look()) and "more" in found[ROWS - 2] and found)
        assert [line.split()[0] for line in lines[1 : ROWS - 2]] == [f"box{number:02}" for number in range(ROWS - 3)]
        assert lines[ROWS - 2].split() == ["...", "6", "more"]


def test_top_is_readable_on_80_columns(runtime, store):
    long = "x" * 200
    program = f"exec python3 -c 'import time; time.sleep(1000)' {long}"
    start(runtime, "box", PidNamespace(), script=f"sleep 1000 & {program}")
    with on_terminal(store, "top", "box", "--interval", "0.2") as (_, look, _process):
        # The shell has become the other program.
        lines = until(lambda: "sleep 1000" in (text := "\n".join(found := look())) and "time.sl" in text and found)
        assert lines[0].split() == ["PID", "INSIDE", "USER", "S", "CPU%", "MEMORY", "COMMAND"]
        assert len([line for line in lines if line]) == 3
        (cut,) = [line for line in lines if "time.sl" in line]
        assert len(cut) == COLUMNS
        assert cut.endswith("…")
        assert {line.split()[1] for line in lines[1:3]} == {"1", "2"}


@pytest.mark.parametrize("feature", [PidNamespace(), Cgroup(pids=20)], ids=["pid namespace", "cgroup"])
def test_what_exec_has_put_in_is_shown(runtime, store, feature):
    box = start(runtime, "seeing-box", feature)
    environment = {**os.environ, "HACONIWA_STATE": str(store.directory)}
    with subprocess.Popen(
        [*haconiwa_command(), "exec", "seeing-box", "--", "sleep", "1234"], env=environment
    ) as attached:
        try:
            command = [*haconiwa_command(), "top", "seeing-box", "--no-stream", "--interval", "0.1", "--format", "json"]
            rows = until(
                lambda: (
                    (found := json.loads(subprocess.check_output(command, env=environment)))
                    and ["sleep", "1234"] in [row["command"] for row in found]
                    and found
                )
            )
        finally:
            box.kill()
        attached.wait(30)
    assert len(rows) == 2

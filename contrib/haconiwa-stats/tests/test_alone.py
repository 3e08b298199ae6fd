"""Containers without any feature are told by their processes."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest
from haconiwa_runtime import Runtime
from haconiwa_stats import sampling
from haconiwa_stats.processes import Processes, process_of

from haconiwa_core import Container
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing import haconiwa_command, needs_root

pytestmark = needs_root

BUSY = "while :; do :; done"
KEYS = {
    *("time", "name", "source", "cpu_percent", "memory", "memory_limit", "pids", "pids_limit"),
    *("io_read", "io_written", "cpu_pressure", "memory_pressure", "io_pressure"),
}
OF_A_PROCESS = {
    *("pid", "inside", "user", "uid", "state", "cpu_percent", "cpu_seconds", "memory", "threads", "name", "command"),
}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "state")


@pytest.fixture
def runtime(store):
    with Runtime(store=store) as runtime:
        yield runtime


def begun(store, *arguments, **how):
    environment = {**os.environ, "HACONIWA_STATE": str(store.directory)}
    return subprocess.Popen(
        [*haconiwa_command(), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **how,
    )


def haconiwa(store, *arguments, status=0):
    process = begun(store, *arguments)
    out, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    return out if status == 0 else err


def told(store, *arguments):
    return json.loads(haconiwa(store, *arguments, "--no-stream", "--interval", "0.5", "--format", "json"))


def test_what_a_container_uses(runtime, store):
    runtime.start(Container("busy", ["sh", "-c", f"sleep 1000 & {BUSY}"]))
    runtime.start(Container("idle", ["sleep", "1000"]))
    busy, idle = told(store, "stats")
    assert busy.keys() == idle.keys() == KEYS
    assert (busy["name"], idle["name"]) == ("busy", "idle")
    assert (busy["source"], busy["pids"], busy["pids_limit"], busy["memory_limit"]) == ("proc", 2, None, None)
    assert (idle["pids"], idle["io_read"], idle["cpu_pressure"]) == (1, None, None)
    assert busy["cpu_percent"] > 5 > idle["cpu_percent"]
    assert busy["memory"] > idle["memory"] > 0


def test_a_table_says_so(runtime, store):
    runtime.start(Container("idle", ["sleep", "1000"]))
    header, row = haconiwa(store, "stats", "idle", "--no-stream", "--interval", "0.1").splitlines()
    assert header.split() == ["NAME", "CPU%", "MEMORY", "1", "MIN", "PIDS", "IO", "R/W", "WAIT", "C/M/I", "FROM"]
    name, cpu, _, block, pids, io, wait, source = row.split()
    assert (name, cpu, block, pids, io, wait, source) == ("idle", "0.0", "█", "1", "-", "-", "proc")


def test_those_that_are_named_only_and_none_that_do_not_run(runtime, store):
    for name in ("one", "two", "three"):
        runtime.start(Container(name, ["sleep", "1000"]))
    runtime.start(Container("over", ["true"])).wait()
    assert [row["name"] for row in told(store, "stats")] == ["one", "three", "two"]
    assert [row["name"] for row in told(store, "stats", "two", "one")] == ["two", "one"]
    assert "is not running: it is exited" in haconiwa(store, "stats", "one", "over", status=125)
    assert "there is no container named nobody" in haconiwa(store, "stats", "nobody", status=125)


@pytest.mark.parametrize("verb", ["stats", "top"])
def test_it_goes_on_until_the_container_has_ended(runtime, store, verb):
    running = runtime.start(Container("box", ["sleep", "1000"]))
    with (
        begun(store, verb, "box", "--interval", "0.1", "--format", "json") as process,
        closing(process.stdout) as lines,
    ):
        rows = [json.loads(lines.readline()) for _ in range(3)]
        running.kill()
        running.wait()
        rows += map(json.loads, lines)
        assert process.wait(30) == 0
    assert rows[0]["cpu_percent"] is None
    assert rows[1]["cpu_percent"] is not None
    assert len(rows) >= 3


def test_it_goes_on_with_a_container_that_has_come_back(runtime, store):
    former = runtime.start(Container("box", ["sleep", "1000"]))
    with begun(store, "stats", "--interval", "0.1", "--format", "json") as process, closing(process.stdout) as lines:
        assert json.loads(lines.readline())["pids"] == 1
        former.remove()
        runtime.start(Container("box", ["sh", "-c", "sleep 1000 & exec sleep 1000"]))
        while json.loads(lines.readline())["pids"] != 2:
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


@pytest.mark.parametrize("value", ["0", "x", "nan", "-1", "1e9"])
def test_intervals_are_seconds(store, value):
    assert "is no number of seconds from 0.1 to 3600" in haconiwa(store, "stats", "--interval", value, status=2)


def test_the_processes_of_a_container(runtime, store):
    # Who has left its parent and its session is not known any more.
    leaves = "(setsid sh -c 'echo $$; exec sleep 1001' &)"
    box = runtime.start(Container("box", ["sh", "-c", f"sleep 1000 & {leaves}; {BUSY}"]))
    while not (left := box.logs().strip()):
        time.sleep(0.01)
    try:
        rows = told(store, "top", "box")
    finally:
        os.kill(int(left), signal.SIGKILL)
    assert {frozenset(row) for row in rows} == {frozenset(OF_A_PROCESS)}
    assert rows[0]["pid"] == box.pid
    assert rows[0]["cpu_percent"] > 5
    assert [row["command"] for row in rows[1:]] == [["sleep", "1000"]]
    assert {(row["uid"], row["user"]) for row in rows} == {(0, "root")}
    assert {row["inside"] for row in rows} == {row["pid"] for row in rows}


HOSTILE = "a\x1b[2J\x1b]0;t\x07\nb\x9b[red]"


def test_hostile_command_lines_are_shown(runtime, store):
    runtime.start(Container("box", [sys.executable, "-I", "-S", "-c", "import time; time.sleep(1000)", HOSTILE]))
    (row,) = told(store, "top", "box")
    assert row["command"][-1] == HOSTILE
    table = haconiwa(store, "top", "box", "--no-stream", "--interval", "0.1")
    assert not set(table) & {"\x1b", "\x07", "\x9b"}
    assert table.count("\n") == 2
    assert r"a\x1b[2J\x1b]0;t\x07\nb\x9b[red]" in table


def test_of_who_has_no_command_line_the_name_is_shown(runtime, store):
    source = "import os, time\nif os.fork(): time.sleep(1000)\n"
    runtime.start(Container("box", [sys.executable, "-I", "-S", "-c", source]))
    rows = told(store, "top", "box")
    assert [(row["state"], row["command"]) for row in rows if row["state"] == "Z"] == [("Z", [])]
    assert f"[{rows[0]['name']}]" in haconiwa(store, "top", "box", "--no-stream", "--interval", "0.1")


def test_a_name_of_any_bytes_is_read():
    child = subprocess.Popen(
        [sys.executable, "-c", "open('/proc/self/comm', 'w').write('a) R 1 (b'); input()"], stdin=-1
    )
    try:
        while (found := process_of(child.pid)) is None or found.name != "a) R 1 (b":
            time.sleep(0.01)
        assert (found.parent, found.threads) == (os.getpid(), 1)
    finally:
        child.communicate(b"\n")
    assert process_of(child.pid) is None


def test_a_thousand_are_looked_at_at_once(runtime, store, monkeypatch):
    """One look over /proc, not one for each container."""
    looks = []

    class Counted(Processes):
        def __init__(self):
            looks.append(self)
            super().__init__()

    monkeypatch.setattr(sampling, "Processes", Counted)
    for number in range(20):
        runtime.start(Container(f"box{number}", ["sleep", "1000"]))
    assert len(sampling.Sampler(store, ()).samples()) == 20
    assert len(looks) == 1

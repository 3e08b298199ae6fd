"""Containers from a Python program, on the real kernel."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from haconiwa_chroot import Chroot
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_runtime import PayloadError, Runtime
from hypothesis import given, settings, strategies as st
from runtime.support import content_of, no_process_has, shell

from haconiwa_core import Container, DefinitionError, RecordError, SetupError
from haconiwa_core.linux.host import descendants
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing import busybox_root, needs_program, needs_root

pytestmark = [needs_root, needs_program("busybox")]

FEATURES = [pytest.param((), id="no-namespace"), pytest.param((PidNamespace(),), id="pid-namespace")]


def output_of(container):
    """Wait for a container that prints, until it does."""
    for _ in range(1000):
        if text := container.logs():
            return text
        time.sleep(0.01)
    raise AssertionError("nothing is printed")


@pytest.mark.parametrize(
    ("script", "status", "reason"),
    [("exit 0", 0, "exited"), ("exit 7", 7, "exited"), ("kill -TERM $$", 143, "signaled")],
)
def test_result(runtime, store, script, status, reason):
    result = runtime.run(shell(f"echo out; echo err >&2; {script}"))
    assert (result.exit_status, result.stdout, result.stderr) == (status, b"out\n", b"err\n")
    assert result.reason == reason
    assert store.names() == []


def test_usage_is_what_the_command_has_used(runtime):
    idle = runtime.run(shell(":")).usage
    busy = runtime.run(shell("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done")).usage
    large = runtime.run(Container("test", [sys.executable, "-I", "-S", "-c", "b'x' * (1 << 28)"])).usage
    assert busy.user + busy.system > idle.user + idle.system + 0.01
    # Of a fork of this process that became the command, the kernel counts what the process had, too.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert 100 < busy.max_resident <= max(own, 1 << 18)
    assert 1 << 18 < large.max_resident < 1 << 20


def test_features_are_applied(runtime, tmp_path):
    root = busybox_root(tmp_path / "root")
    contained = Container("test", ["ls", "/"], [Chroot(str(root)), MountNamespace(), PidNamespace()])
    assert runtime.run(contained).stdout.split() == sorted(name.encode() for name in os.listdir(root))


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
def test_input_comes_back(runtime, size):
    data = os.urandom(size)
    result = runtime.run(Container("test", ["cat"]), input=data, max_output=size)
    assert result.stdout == data
    assert result.reason == "exited"


@given(data=st.binary(max_size=300), limit=st.integers(0, 300), chunk=st.integers(1, 300))
@settings(max_examples=30, deadline=None)
def test_output_is_kept_up_to_the_limit(data, limit, chunk):
    with TemporaryDirectory() as state, Runtime(store=Store(Path(state) / "state")) as runtime:
        result = runtime.run(Container("test", ["dd", f"bs={chunk}", "status=none"]), input=data, max_output=limit)
    assert result.stdout == data[:limit]
    assert (result.reason == "output-limit") == (len(data) > limit)


@pytest.mark.parametrize("script", ["exec <&-; echo done; exec sleep 0.1", "echo done"])
def test_input_need_not_be_read(runtime, script):
    result = runtime.run(shell(script), input=bytes(5_000_000))
    assert (result.stdout, result.reason) == (b"done\n", "exited")


def test_without_input_there_is_nothing_to_read(runtime):
    assert runtime.run(Container("test", ["cat"])).reason == "exited"


def test_streams_of_the_definition_stay(runtime, tmp_path):
    result = runtime.run(shell("echo out; echo err >&2", stdout=f"host:{tmp_path / 'out'}"))
    assert (result.stdout, result.stderr) == (b"", b"err\n")
    assert (tmp_path / "out").read_text() == "out\n"
    with pytest.raises(ValueError, match="stdin is 'null'"):
        runtime.run(shell(":", stdin="null"), input=b"")


@pytest.mark.parametrize("features", FEATURES)
def test_timeout_kills_all_of_it_and_returns_what_was_written(runtime, features):
    mark = f"6{os.getpid()}.5"
    # One in its group and one in a session of its own; the pipes stay open as long as they live.
    script = f"echo before; sleep {mark} & setsid sleep {mark} & trap '' TERM; sleep {mark}; echo after"
    result = runtime.run(shell(script, *features), timeout=0.5)
    assert (result.stdout, result.reason, result.exit_status) == (b"before\n", "timeout", 137)
    assert no_process_has(mark)


@pytest.mark.parametrize("timeout", [0, -1])
def test_no_time_at_all(runtime, timeout):
    assert runtime.run(Container("test", ["sleep", "600"]), timeout=timeout).reason == "timeout"


@pytest.mark.parametrize("timeout", [1e6, float("inf")])
def test_a_timeout_may_be_long(runtime, timeout):
    assert runtime.run(Container("test", ["true"]), timeout=timeout).reason == "exited"


def test_timeout_strikes_while_output_flows(runtime):
    result = runtime.run(Container("test", ["yes"]), timeout=0.2, max_output=1 << 40)
    assert result.reason == "timeout"
    assert result.stdout.startswith(b"y\ny\n")


@pytest.mark.parametrize("limit", [0, 1, 100_000])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_too_much_output_ends_it(runtime, stream, limit):
    container = shell("exec yes" + (" >&2" if stream == "stderr" else ""))
    result = runtime.run(container, max_output=limit)
    assert getattr(result, stream) == (b"y\n" * limit)[:limit]
    assert (result.reason, result.exit_status) == ("output-limit", 137)


def test_what_is_left_in_the_pipe_counts(runtime):
    result = runtime.run(shell("printf 12345"), max_output=4)
    assert (result.stdout, result.reason) == (b"1234", "output-limit")
    assert runtime.run(shell("printf 12345"), max_output=5).reason == "exited"


def test_a_survivor_that_holds_the_pipe_is_not_waited_for(runtime):
    mark = f"7{os.getpid()}.5"
    assert runtime.run(shell(f"echo out; setsid sleep {mark} & sleep 0.2")).stdout == b"out\n"
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        if mark.encode() in content_of(path):
            os.kill(int(path.parent.name), signal.SIGKILL)


def test_check(runtime):
    assert runtime.run(shell("exit 0"), check=True).exit_status == 0
    with pytest.raises(PayloadError, match="status 3") as caught:
        runtime.run(shell("echo out; exit 3"), check=True)
    assert (caught.value.exit_status, caught.value.result.stdout) == (3, b"out\n")


@pytest.mark.parametrize(("program", "status"), [("/no/such/program", 127), ("/etc/passwd", 126)])
@pytest.mark.parametrize("method", ["run", "start"])
def test_our_failure_is_an_error(runtime, store, method, program, status):
    with pytest.raises(SetupError) as caught:
        getattr(runtime, method)(Container("test", [program]))
    assert caught.value.exit_status == status
    assert store.names() == []


def test_a_wrong_definition_starts_nothing(runtime, store):
    with pytest.raises(DefinitionError):
        runtime.run(Container("test", []))
    assert store.names() == []


def test_life_of_a_started_container(runtime, store):
    started = runtime.start(shell("echo out; echo err >&2; trap 'exit 4' TERM; while :; do sleep 0.01; done"))
    assert (started.name, started.state) == ("test", "running")
    assert store.read("test").child.pid == started.pid
    output_of(started)
    with pytest.raises(TimeoutError):
        started.wait(0.01)
    assert started.stop() == 4
    assert (started.state, started.wait(), started.logs()) == ("exited", 4, b"out\nerr\n")
    started.kill()
    assert store.read("test").exit_status == 4
    started.remove()
    started.remove()
    assert store.names() == []
    with pytest.raises(RecordError, match="removed"):
        started.logs()


def test_a_started_container_has_nothing_of_the_host_programs_streams(runtime):
    started = runtime.start(shell("readlink /proc/self/fd/0 /proc/self/fd/1; cat"))
    assert started.wait() == 0
    null, log = started.logs().decode().split()
    assert null == "/dev/null"
    assert log.endswith("/test/log")


@pytest.mark.parametrize("features", FEATURES)
def test_stop_kills_what_ignores_the_request(runtime, features):
    mark = f"8{os.getpid()}.5"
    script = f"trap '' TERM; setsid sleep {mark} & echo ready; while :; do sleep {mark}; done"
    started = runtime.start(shell(script, *features))
    output_of(started)
    assert started.stop(timeout=0.1) == 137
    assert no_process_has(mark)


def test_signals(runtime):
    started = runtime.start(shell("trap 'exit 5' USR1; echo ready; while :; do sleep 0.01; done"))
    output_of(started)
    started.kill(signal.SIGUSR1)
    assert started.wait() == 5


def test_names(runtime):
    container = Container("test", ["sleep", "600"])
    first = runtime.start(container)
    with pytest.raises(RecordError, match="in use"):
        runtime.start(container)
    with pytest.raises(RecordError, match="cannot name"):
        runtime.start(container, name="")
    assert runtime.start(container, name="other").name == "other"
    first.remove()
    assert runtime.start(container).name == "test"


def test_leaving_the_context_ends_what_runs(store):
    with Runtime(store=store) as runtime:
        containers = [runtime.start(Container("test", ["sleep", "600"]), name=f"c{number}") for number in range(3)]
        containers[0].stop()
    assert [container.state for container in containers] == ["exited"] * 3
    assert store.names() == []
    assert descendants(os.getpid()) == []


def test_an_exception_in_the_host_program_ends_the_container(runtime, store):
    def interrupt(*_):
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            runtime.run(Container("test", ["sleep", "600"]))
    finally:
        signal.signal(signal.SIGALRM, former)
    assert store.names() == []


def test_threads(runtime, store):
    def one(number):
        return runtime.run(Container("test", ["cat"], [PidNamespace()]), input=b"%d" % number).stdout

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(one, range(20))) == [b"%d" % number for number in range(20)]
    assert store.names() == []


def test_several_wait_for_one(runtime):
    started = runtime.start(shell("sleep 0.2; exit 6"))
    with ThreadPoolExecutor(8) as pool:
        assert [waiting.result() for waiting in [pool.submit(started.wait) for _ in range(8)]] == [6] * 8


def test_descriptors_and_memory_stay_flat(runtime):
    container = Container("test", ["echo", "out"], [PidNamespace()])

    def measure(runs):
        for _ in range(runs):
            assert runtime.run(container).stdout == b"out\n"
        gc.collect()
        return len(os.listdir("/proc/self/fd")), len(gc.get_objects())

    measure(5)
    descriptors, objects = measure(1)
    more_descriptors, more_objects = measure(50)
    assert more_descriptors == descriptors
    # Fewer than one object for each run.
    assert more_objects - objects < 50


def test_descriptors_may_have_high_numbers(runtime):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2000:
        pytest.skip(f"the hard limit of open files is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        assert runtime.run(shell("echo out")).stdout == b"out\n"
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

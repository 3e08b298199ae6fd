"""Programs that get in the way: they take exit statuses away, hold locks, run many threads."""

from __future__ import annotations

import subprocess
import sys

import pytest

from haconiwa_core.testing import needs_program, needs_root

pytestmark = [needs_root, needs_program("busybox")]

LAUNCHERS = ["DirectLauncher()", "None"]

BEGIN = """
import _imp, asyncio, importlib, logging, os, signal, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from haconiwa_core import Container, SetupError
from haconiwa_runtime import AsyncRuntime, Runtime
from haconiwa_core.launch.direct import DirectLauncher
from haconiwa_core.runtime.store import Store

store = Store(Path(sys.argv[1]))
"""


def output_of_host(code, folder):
    """Run a program to its end; return its output."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code, str(folder / "state")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


TAKES_STATUS = {
    "ignores": "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    "reaps-in-thread": "threading.Thread(target=reap_for_ever, daemon=True).start()",
    "reaps-in-handler": "signal.signal(signal.SIGCHLD, lambda *_: reap())",
}

TAKES_STATUS_AWAY = """
def reap():
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass

def reap_for_ever():
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            time.sleep(0.001)

def check(result):
    assert result.stdout == b"out\\n", result
    told = (3, "exited") if tells else (None, "unknown")
    assert result.usage is not None or (result.exit_status, result.reason) == told, result
    assert result.usage is None or (result.exit_status, result.reason) == (3, "exited"), result
    print("kept" if result.usage else "taken")

async def await_them():
    asynchronous = AsyncRuntime(runtime)
    for result in await asyncio.gather(*(asynchronous.run(command) for _ in range(10))):
        check(result)
    assert await (await asynchronous.start(sleep)).stop() in (143, 143 if tells else None)

# The kernel keeps the status for those who hold the process's descriptor.
tells = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 15)
{host}
command, sleep = Container("test", ["sh", "-c", "echo out; exit 3"]), Container("sleep", ["sleep", "600"])
with Runtime(store=store, launcher={launcher}) as runtime:
    for _ in range(5):
        check(runtime.run(command))
    with ThreadPoolExecutor(5) as pool:
        for result in pool.map(lambda _: runtime.run(command), range(10)):
            check(result)
    assert runtime.start(sleep, name="other").stop() in (143, 143 if tells else None)
    asyncio.run(await_them())
    slow = runtime.run(sleep, timeout=0.05)
    assert (slow.reason, slow.exit_status) in (("timeout", 137), ("timeout", None)), slow
    try:
        runtime.run(Container("test", ["/no/such/program"]))
    except SetupError as error:
        assert error.exit_status == 127
    else:
        raise AssertionError("nothing is raised")
assert store.names() == []
"""


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("host", TAKES_STATUS)
def test_hosts_that_take_the_status_away(host, launcher, tmp_path):
    output = output_of_host(TAKES_STATUS_AWAY.format(host=TAKES_STATUS[host], launcher=launcher), tmp_path).split()
    assert len(output) == 25
    # Who reaps races with the runtime; who ignores always wins.
    assert host != "ignores" or set(output) == {"taken"}


HOLDS_LOCKS = """
held = dict.fromkeys(["import", "module", "log", "handler"], 0)
handler = logging.StreamHandler(open(os.devnull, "w"))
logging.basicConfig(handlers=[handler])

class ImportLock:
    __enter__, __exit__ = lambda self: _imp.acquire_lock(), lambda self, *_: _imp.release_lock()

def hold(lock, kind):
    while True:
        with lock:
            held[kind] += 1
            time.sleep(0.001)
        time.sleep(0.001)

def load():
    import fractions
    while True:
        importlib.reload(fractions)
        held["module"] += 1
        time.sleep(0.001)

def log():
    while True:
        logging.warning("%s", held)
        held["log"] += 1
        time.sleep(0.001)

for target, *arguments in [(hold, ImportLock(), "import"), (hold, handler.lock, "handler"), (load,), (log,)]:
    threading.Thread(target=target, args=arguments, daemon=True).start()

container = Container("test", ["sleep", "600"])
with Runtime(store=store, launcher={launcher}) as runtime:
    with ThreadPoolExecutor(16) as pool:
        before = dict(held)
        started = list(pool.map(lambda number: runtime.start(container, name=f"c{{number}}"), range(200)))
        assert all(held[kind] > count for kind, count in before.items()), (before, held)
    assert len({{one.pid for one in started}}) == len(store.names()) == 200
    # The threads that have started them are gone.
    assert {{one.state for one in started}} == {{"running"}}
assert {{one.state for one in started}} == {{"exited"}}
assert store.names() == []
print("done")
"""


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_200_starts_in_parallel_while_others_hold_locks(launcher, tmp_path):
    assert output_of_host(HOLDS_LOCKS.format(launcher=launcher), tmp_path) == "done\n"


FORKS_WHILE_OTHERS_START = """
command = Container("test", ["echo", "out"])
with Runtime(store=store, launcher=DirectLauncher()) as runtime:
    stop = threading.Event()

    def start_on():
        while not stop.is_set():
            assert runtime.run(command).stdout == b"out\\n"

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(start_on) for _ in range(3)]
        for _ in range(10):
            pid = os.fork()
            if pid == 0:
                signal.alarm(20)
                os._exit(runtime.run(command).exit_status)
            assert os.waitpid(pid, 0)[1] == 0
        stop.set()
        for one in running:
            one.result()
assert store.names() == []
print("done")
"""


def test_a_fork_while_other_threads_start(tmp_path):
    assert output_of_host(FORKS_WHILE_OTHERS_START, tmp_path) == "done\n"

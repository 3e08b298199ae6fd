"""Hooks in processes: how they are run, ended and kept from harming anybody, the supervisor above all."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from textwrap import dedent
from threading import Thread
from typing import Any

import pytest
from haconiwa_supervision.hooks import worker_process, workers
from haconiwa_supervision.hooks.calls import Answer, Outcome
from haconiwa_supervision.hooks.context import Context
from haconiwa_supervision.hooks.worker import fork_worker
from haconiwa_supervision.hooks.worker_process import WorkerError
from haconiwa_supervision.hooks.workers import Worker

from haconiwa_core.container import Container
from haconiwa_core.hooks.hook import Hook, On
from haconiwa_core.linux.host import children, descendants
from haconiwa_core.testing.needs import needs_root

HEAD = 'from haconiwa_core import Container\nweb = Container("web", ["true"])\n'
PATIENCE = 30.0


class Supervisor:
    """Answers hooks: it has a store, and remembers what it was asked."""

    def __init__(self) -> None:
        self.store: dict[str, Any] = {}
        self.asked: list[dict[str, Any]] = []

    async def answer(self, request: dict[str, Any]) -> Mapping[str, Any]:
        self.asked.append(request)
        match request:
            case {"ask": "store_set", "key": key, "value": value}:
                self.store[key] = value
            case {"ask": "store_get", "key": key} if key in self.store:
                return {"value": self.store[key]}
            case {"ask": "store_get", "key": key}:
                return {"error": {"kind": "KeyError", "text": key}}
            case {"ask": "exec"}:
                await asyncio.sleep(PATIENCE)
        return {"value": None}


def definition(folder: Path, text: str) -> str:
    file = folder / "web.py"
    file.write_text(HEAD + dedent(text))
    return str(file)


def hook(name: str, timeout: float = PATIENCE, function: str = "") -> Hook:
    return Hook(name, On("after_start"), function, "warn", timeout)


@asynccontextmanager
async def closing(worker: Worker) -> AsyncIterator[Worker]:
    try:
        yield worker
    finally:
        await worker.close()


def calls(worker: Callable[[], Worker], *hooks: Hook, answer: Answer | None = None, **facts: Any) -> list[Outcome]:
    """Run hooks one after the other."""

    async def run() -> list[Outcome]:
        async with closing(worker()) as made:
            return [await made.call("web", each, facts, answer or Supervisor().answer) for each in hooks]

    return asyncio.run(run())


def call(file: str, called: str, timeout: float = PATIENCE, answer: Answer | None = None, **facts: Any) -> Outcome:
    (outcome,) = calls(lambda: Worker(file), hook(called, timeout), answer=answer, **facts)
    return outcome


def returned(outcome: Outcome) -> Any:
    assert outcome.status == "returned", outcome
    return outcome.value


def pid_of(worker: Worker) -> int:
    assert worker._process is not None
    assert worker._process._child is not None
    return worker._process._child.pid


def is_alive(pid: int) -> bool:
    """Return whether a process runs: one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


# What a hook is and does.


def test_a_worker_knows_the_hooks_of_all_containers(tmp_path: Path) -> None:
    file = definition(
        tmp_path,
        """
        db = Container("db", ["true"])
        db.on("oom")(print)
        @web.after(1)
        def later(c): pass
        @web.on("oom")
        def full(c): pass
        """,
    )

    async def run() -> Mapping[str, Any]:
        async with closing(Worker(file)) as worker:
            return await worker.start()

    assert asyncio.run(run()) == {"web": ["later", "full"], "db": ["print"]}


def test_a_hook_is_told_about_the_container_and_returns_a_value(tmp_path: Path) -> None:
    file = definition(
        tmp_path,
        """
        @web.on("after_start")
        def told(c):
            print("on", c.event["event"])
            return [c.name, c.pid, c.args]
        """,
    )
    outcome = call(file, "told", name="web-3", pid=12, event={"event": "after_start"}, args={"n": "1"})
    assert returned(outcome) == ["web-3", 12, {"n": "1"}]
    assert outcome.output == "on after_start\n"
    assert outcome.error == ""
    assert 0 < outcome.seconds < PATIENCE


def test_requests_arrive_in_their_order_and_wait_for_their_answers(tmp_path: Path) -> None:
    file = definition(
        tmp_path,
        """
        @web.on("after_start")
        def many(c):
            for n in range(300):
                c.store["n"] = n
                assert c.store["n"] == n
            c.log.info("done")
        """,
    )
    supervisor = Supervisor()
    returned(call(file, "many", answer=supervisor.answer))
    assert [each["value"] for each in supervisor.asked if each["ask"] == "store_set"] == list(range(300))
    assert supervisor.asked[-1]["message"] == "done"


def test_an_async_hook_is_awaited(tmp_path: Path) -> None:
    file = definition(
        tmp_path,
        """
        import asyncio
        @web.on("after_start")
        async def slow(c):
            one, two = await asyncio.gather(asyncio.sleep(0.01, 1), asyncio.sleep(0.01, 2))
            c.store["sum"] = one + two
            return c.store["sum"]
        """,
    )
    assert returned(call(file, "slow")) == 3


def test_an_exception_is_told_with_the_lines_that_it_comes_from(tmp_path: Path) -> None:
    file = definition(
        tmp_path,
        """
        def inner():
            raise LookupError("nothing\\nthere")
        @web.on("after_start")
        def fails(c):
            inner()
        @web.on("after_start")
        async def fails_later(c):
            inner()
        @web.on("after_start")
        def leaves(c):
            raise SystemExit(3)
        """,
    )
    plain, later, leaves = calls(lambda: Worker(file), hook("fails"), hook("fails_later"), hook("leaves"))
    assert {plain.status, later.status, leaves.status} == {"raised"}
    assert plain.error.startswith(f'Traceback (most recent call last):\n  File "{file}", line 8, in fails\n    inner()')
    assert plain.error.endswith("LookupError: nothing\nthere\n")
    assert f'File "{file}", line 5, in inner' in later.error
    assert leaves.error.endswith("SystemExit: 3\n")


def test_what_the_supervisor_refuses_is_raised_in_the_hook(tmp_path: Path) -> None:
    file = definition(
        tmp_path,
        """
        from haconiwa_supervision.hooks.context import HookError
        @web.on("after_start")
        def grows(c):
            try:
                c.update(cgroup={"memory": "1"})
            except HookError as error:
                return [error.kind, str(error)]
        """,
    )

    async def refuse(_: dict[str, Any]) -> Mapping[str, Any]:
        return {"error": {"kind": "DefinitionError", "text": "too small"}}

    assert returned(call(file, "grows", answer=refuse)) == ["DefinitionError", "too small"]


def test_a_value_that_json_does_not_have_is_shown_by_its_repr(tmp_path: Path) -> None:
    file = definition(
        tmp_path,
        """
        @web.on("after_start")
        def odd(c):
            return {"set": {1}, "list": (1, 2)}
        @web.on("after_start")
        def huge(c):
            return "x" * 200_000
        """,
    )
    odd, huge = calls(lambda: Worker(file), hook("odd"), hook("huge"))
    assert returned(odd) == {"set": "{1}", "list": [1, 2]}
    assert huge.status == "raised"
    assert "is the limit" in huge.error


def test_what_a_hook_does_to_globals_is_gone_with_it(tmp_path: Path) -> None:
    file = definition(
        tmp_path,
        """
        import os
        count = 0
        @web.on("after_start")
        def counts(c):
            global count
            count += 1
            os.environ["COUNT"] = os.environ.get("COUNT", "") + "x"
            os.chdir("/")
            return [count, os.environ["COUNT"]]
        @web.on("after_start")
        def where(c):
            return os.getcwd()
        """,
    )
    outcomes = calls(lambda: Worker(file), hook("counts"), hook("counts"), hook("where"))
    assert list(map(returned, outcomes)) == [[1, "x"], [1, "x"], str(tmp_path)]


def test_concurrent_hooks_see_one_store(tmp_path: Path) -> None:
    file = definition(
        tmp_path,
        """
        import time
        def wait_for(c, key):
            while key not in c.store:
                time.sleep(0.01)
            return c.store[key]
        @web.on("after_start")
        def ping(c):
            c.store["ping"] = 1
            return wait_for(c, "pong")
        @web.on("after_start")
        def pong(c):
            c.store["pong"] = wait_for(c, "ping") + 1
        """,
    )
    supervisor = Supervisor()

    async def run() -> list[Outcome]:
        async with closing(Worker(file)) as worker:
            hooks = hook("ping"), hook("pong")
            return await asyncio.gather(*(worker.call("web", each, {}, supervisor.answer) for each in hooks))

    assert returned(asyncio.run(run())[0]) == 2
    assert supervisor.store == {"ping": 1, "pong": 2}


def test_a_hook_of_a_plugin_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some_plugin.py").write_text("class Hooks:\n    def name(c):\n        return c.name\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    known = hook("some_plugin:1", function="some_plugin:Hooks.name")
    unknown = hook("some_plugin:2", function="some_plugin:nothing")
    for file in ("", str(tmp_path / "web.toml")):
        found, missing = calls(lambda file=file: Worker(file), known, unknown, name="web-1")
        assert returned(found) == "web-1"
        assert missing.status == "raised"
        assert "AttributeError" in missing.error


def test_a_hook_that_the_definition_has_no_more_is_named(tmp_path: Path) -> None:
    outcome = call(definition(tmp_path, ""), "gone")
    assert outcome.status == "raised"
    assert "no such hook" in outcome.error


def test_modules_beside_the_definition_can_be_imported_by_a_hook(tmp_path: Path) -> None:
    (tmp_path / "helping.py").write_text("NAME = 'helping'\n")
    file = definition(
        tmp_path,
        """
        @web.on("after_start")
        def late(c):
            import helping
            return helping.NAME
        """,
    )
    assert returned(call(file, "late")) == "helping"


def test_the_worker_has_the_environment_that_it_is_given(tmp_path: Path) -> None:
    file = definition(
        tmp_path,
        """
        import os
        at_reading = dict(os.environ)
        @web.on("after_start")
        def environment(c):
            return [at_reading, os.popen("echo $WORD").read()]
        """,
    )
    (outcome,) = calls(lambda: Worker(file, environment={"WORD": "x", "PATH": os.environ["PATH"]}), hook("environment"))
    assert returned(outcome) == [{"WORD": "x", "PATH": os.environ["PATH"]}, "x\n"]


# What a definition may be.


def starting(file: str) -> str:
    async def run() -> str:
        async with closing(Worker(file)) as worker:
            with pytest.raises(WorkerError) as caught:
                await worker.start()
            outcome = await worker.call("web", hook("any"), {}, Supervisor().answer)
            assert (outcome.status, outcome.error) == ("lost", str(caught.value))
            return str(caught.value)

    return asyncio.run(run())


def test_a_definition_that_cannot_be_read_is_told_with_its_line(tmp_path: Path) -> None:
    file = definition(tmp_path, "def broken(:\n")
    assert starting(file).startswith(f"{file}:3: syntax error")
    file = definition(tmp_path, "\nraise ValueError('no')\n")
    assert starting(file) == f"{file}:4: ValueError: no"
    assert str(tmp_path / "none.py") in starting(str(tmp_path / "none.py"))
    assert "cannot be entered" in starting(str(tmp_path / "none" / "none.py"))


@needs_root
def test_a_definition_that_others_can_write_is_refused(tmp_path: Path) -> None:
    file = definition(tmp_path, "")
    os.chmod(file, 0o666)
    told = starting(file)
    assert told.startswith(f"{file}: refused, for it would run as root")
    assert "mode 0666" in told


def test_a_definition_that_ends_its_process_is_not_read_again_and_again(tmp_path: Path) -> None:
    file = definition(tmp_path, f"open({str(tmp_path / 'read')!r}, 'a').write('x')\nimport os\nos._exit(3)\n")

    async def run() -> list[float]:
        loop = asyncio.get_running_loop()
        seconds = []
        async with closing(Worker(file)) as worker:
            for _ in range(5):
                began = loop.time()
                outcome = await worker.call("web", hook("any"), {}, Supervisor().answer)
                assert outcome.status == "lost"
                assert "status 3" in outcome.error
                seconds.append(loop.time() - began)
        return seconds

    seconds = asyncio.run(run())
    assert (tmp_path / "read").read_text() == "x" * 5
    # Each waits twice as long as the one before it; the first does not wait.
    assert [second > 0.05 * 2**n for n, second in enumerate(seconds[1:])] == [True] * 4


def test_a_definition_that_is_never_read_to_its_end_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "START_TIMEOUT", 0.5)
    monkeypatch.setattr(worker_process, "GRACE", 0.2)
    assert "has not read it within 0.5 s" in starting(definition(tmp_path, "import time\ntime.sleep(1000)\n"))


def test_what_a_definition_has_started_ends_when_it_is_read(tmp_path: Path) -> None:
    file = definition(
        tmp_path,
        """
        import subprocess, signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        orphan = int(subprocess.check_output("setsid sleep 1000 >/dev/null 2>&1 & echo $!", shell=True))
        @web.on("after_start")
        def pids(c):
            return [process.pid, orphan]
        @web.on("after_start")
        def status(c):
            return open("/proc/self/status").read()
        """,
    )
    pids, status = calls(lambda: Worker(file), hook("pids"), hook("status"))
    assert [is_alive(pid) for pid in returned(pids)] == [False, False]
    assert signals_of(returned(status)) == INTERPRETER


# How a hook's process is.

INTERPRETER = {"SigBlk": set(), "SigIgn": {signal.SIGPIPE, signal.SIGXFSZ}, "SigCgt": set()}


def signals_of(status: str) -> dict[str, set[int]]:
    """Return which signals are blocked, ignored and handled, of /proc/PID/status."""
    lines = dict(line.split(":", 1) for line in status.splitlines())
    # Those that the C library keeps for itself are none of ours.
    numbers = signal.valid_signals()
    return {name: {number for number in numbers if int(lines[name], 16) >> number - 1 & 1} for name in INTERPRETER}


SHOWING = """
    import os
    @web.on("after_start")
    def shows(c):
        descriptors = {name: os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")
                       if os.path.lexists(f"/proc/self/fd/{name}")}
        ids = [os.getpid(), os.getsid(0), os.getpgid(0)]
        return [open("/proc/self/status").read(), descriptors, ids]
"""


def test_nothing_of_the_supervisor_is_inherited(tmp_path: Path) -> None:
    file = definition(tmp_path, SHOWING)
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN), signal.signal(signal.SIGUSR2, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    leak = os.open("/etc", os.O_RDONLY)
    os.set_inheritable(leak, True)
    try:
        own = signals_of(Path("/proc/self/status").read_text())
        outcome = call(file, "shows")
    finally:
        os.close(leak)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        signal.signal(signal.SIGUSR1, before[0])
        signal.signal(signal.SIGUSR2, before[1])
    status, descriptors, (pid, session, group) = returned(outcome)
    assert signal.SIGHUP in own["SigBlk"]
    assert signal.SIGUSR1 in own["SigIgn"]
    assert signal.SIGUSR2 in own["SigCgt"]
    assert signals_of(status) == INTERPRETER
    assert pid == session == group
    _only_its_own(descriptors)


def _only_its_own(descriptors: dict[str, str]) -> None:
    """Of null, its output twice, and its channel."""
    kinds = sorted(target.partition(":")[0] for target in descriptors.values())
    assert kinds == ["/dev/null", "pipe", "pipe", "socket"], descriptors


def test_nothing_of_other_calls_is_inherited(tmp_path: Path) -> None:
    file = definition(tmp_path, SHOWING + "    @web.on('oom')\n    def waits(c): c.exec(['x'])\n")

    async def run() -> Outcome:
        supervisor = Supervisor()
        async with closing(Worker(file)) as worker:
            waiting = [asyncio.create_task(worker.call("web", hook("waits"), {}, supervisor.answer)) for _ in range(5)]
            await until(lambda: len(supervisor.asked) == 5)
            outcome = await worker.call("web", hook("shows"), {}, supervisor.answer)
        await asyncio.gather(*waiting)
        return outcome

    _only_its_own(returned(asyncio.run(run()))[1])


# How a hook ends otherwise.


def test_a_crash_is_one_failed_call(tmp_path: Path) -> None:
    file = definition(
        tmp_path,
        """
        import os, signal
        @web.on("after_start")
        def aborts(c):
            print("before", flush=True)
            os.abort()
        @web.on("after_start")
        def exits(c):
            os._exit(0)
        @web.on("after_start")
        def kills(c):
            os.kill(os.getpid(), signal.SIGKILL)
        @web.on("after_start")
        def works(c):
            return 1
        """,
    )
    names = ("aborts", "exits", "kills", "works")
    aborts, exits, kills, works = calls(lambda: Worker(file), *map(hook, names))
    assert (aborts.status, aborts.output) == ("crashed", "before\n")
    assert "SIGABRT" in aborts.error
    assert exits.status == "crashed"
    assert "status 0" in exits.error
    assert kills.status == "killed"
    assert returned(works) == 1


LEAVING = """
    import subprocess, time, os
    def start():
        plain = subprocess.Popen(["sleep", "1000"])
        session = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        # Its parent ends, as that of a daemon does.
        orphan = int(subprocess.check_output("setsid sleep 1000 >/dev/null 2>&1 & echo $!", shell=True))
        return [plain.pid, session.pid, orphan]
    @web.on("after_start")
    def hangs(c):
        c.store["pids"] = [os.getpid(), *start()]
        time.sleep(1000)
    @web.on("after_start")
    def returns(c):
        c.store["pids"] = start()
    @web.on("after_start")
    def shows(c):
        return c.store["pids"]
"""


@pytest.mark.parametrize(("name", "status"), [("hangs", "timeout"), ("returns", "returned")])
def test_nothing_of_a_call_outlives_it(tmp_path: Path, name: str, status: str) -> None:
    file = definition(tmp_path, LEAVING)
    supervisor = Supervisor()

    async def run() -> None:
        async with closing(Worker(file)) as worker:
            other = asyncio.create_task(worker.call("web", hook("hangs"), {}, Supervisor().answer))
            running = asyncio.create_task(worker.call("web", hook(name, 2.0), {}, supervisor.answer))
            await until(lambda: supervisor.store)
            pids = supervisor.store["pids"]
            if name == "hangs":
                assert all(map(is_alive, pids))
            assert (await running).status == status
            await until(lambda: not any(map(is_alive, pids)))
            # What another call has started is spared.
            assert len([pid for pid, _ in descendants(pid_of(worker)) if is_alive(pid)]) == 4
            # And nobody is left unwaited for.
            await until(lambda: len(descendants(pid_of(worker))) == 4)
            other.cancel()
            with suppress(asyncio.CancelledError):
                await other

    asyncio.run(run())


def test_a_hook_that_blocks_delays_no_other(tmp_path: Path) -> None:
    file = definition(
        tmp_path,
        """
        import time
        @web.on("after_start")
        def spins(c):
            while True: pass
        @web.on("after_start")
        def sleeps(c): time.sleep(1000)
        @web.on("after_start")
        def quick(c): return 1
        """,
    )

    async def run() -> None:
        async with closing(Worker(file)) as worker:
            slow = [
                asyncio.create_task(worker.call("web", hook(name), {}, Supervisor().answer))
                for name in ("spins", "sleeps", "sleeps")
            ]
            for _ in range(20):
                assert returned(await worker.call("web", hook("quick"), {}, Supervisor().answer)) == 1
            assert not any(task.done() for task in slow)
        assert {task.status for task in await asyncio.gather(*slow)} == {"lost"}

    asyncio.run(run())


def test_more_calls_than_run_at_once_all_run(tmp_path: Path) -> None:
    file = definition(tmp_path, "@web.on('oom')\ndef f(c): return c.name\n")
    number = workers.MOST_CALLS * 2 + 7

    async def run() -> list[Outcome]:
        async with closing(Worker(file)) as worker:
            answer = Supervisor().answer
            return await asyncio.gather(
                *(worker.call("web", hook("f"), {"name": str(n)}, answer) for n in range(number))
            )

    assert [returned(outcome) for outcome in asyncio.run(run())] == [str(n) for n in range(number)]


ASKING = """
    import os, time
    @web.on("after_start")
    def waits(c):
        c.store["pid"] = os.getpid()
        c.exec(["x"])
    @web.on("after_start")
    def hangs(c):
        c.store["pid"] = os.getpid()
        time.sleep(1000)
    @web.on("after_start")
    def insists(c):
        end = time.monotonic() + 1
        while time.monotonic() < end:
            c.kill()
"""


def test_a_call_that_is_cancelled_is_killed(tmp_path: Path) -> None:
    async def run() -> None:
        supervisor = Supervisor()
        async with closing(Worker(definition(tmp_path, ASKING))) as worker:
            task = asyncio.create_task(worker.call("web", hook("hangs"), {}, supervisor.answer))
            await until(lambda: supervisor.store)
            assert is_alive(supervisor.store["pid"])
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: not is_alive(supervisor.store["pid"]))
            await until(lambda: not descendants(pid_of(worker)))

    asyncio.run(run())


def test_what_is_still_asked_for_when_a_call_ends_is_cancelled(tmp_path: Path) -> None:
    cancelled: list[str] = []

    class Noting(Supervisor):
        async def answer(self, request: dict[str, Any]) -> Mapping[str, Any]:
            try:
                return await super().answer(request)
            except asyncio.CancelledError:
                cancelled.append(request["ask"])
                raise

    outcome = call(definition(tmp_path, ASKING), "waits", 0.5, Noting().answer)
    assert (outcome.status, cancelled) == ("timeout", ["exec"])


def test_a_hook_that_asks_without_end_is_slowed_down(tmp_path: Path) -> None:
    supervisor = Supervisor()
    returned(call(definition(tmp_path, ASKING), "insists", answer=supervisor.answer))
    # A hundred at once, and then one every two milliseconds.
    assert len(supervisor.asked) < 100 + 500 + 100


def test_output_without_end_is_cut(tmp_path: Path) -> None:
    file = definition(
        tmp_path,
        """
        import os
        @web.on("after_start")
        def prints(c):
            for _ in range(100):
                os.write(1, b"x" * (1 << 20))
            print("end")
            return 1
        @web.on("after_start")
        def odd(c):
            os.write(2, bytes(range(256)) * 100)
        """,
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    prints, odd = calls(lambda: Worker(file), hook("prints"), hook("odd"))
    assert returned(prints) == 1
    assert 10_000 < len(prints.output) < 20_000
    assert "bytes more" in prints.output
    assert odd.status == "returned"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 50 << 10


# How a worker ends.


def test_calls_of_a_killed_worker_fail_and_the_next_has_a_new_one(tmp_path: Path) -> None:
    file = definition(tmp_path, LEAVING)

    async def run() -> None:
        supervisor = Supervisor()
        async with closing(Worker(file)) as worker:
            running = asyncio.create_task(worker.call("web", hook("hangs"), {}, supervisor.answer))
            await until(lambda: supervisor.store)
            first = pid_of(worker)
            os.kill(first, signal.SIGKILL)
            outcome = await running
            assert outcome.status == "lost"
            assert file in outcome.error
            assert str(128 + signal.SIGKILL) in outcome.error
            await until(lambda: not is_alive(supervisor.store["pids"][0]))
            assert returned(await worker.call("web", hook("shows"), {}, supervisor.answer)) == supervisor.store["pids"]
            assert pid_of(worker) != first
        for pid in supervisor.store["pids"][1:]:
            # Nobody is left who knew whose they were.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    asyncio.run(run())


def test_a_worker_that_does_not_end_a_call_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "GRACE", 0.5)
    file = definition(tmp_path, LEAVING)

    async def run() -> None:
        supervisor = Supervisor()
        async with closing(Worker(file)) as worker:
            running = asyncio.create_task(worker.call("web", hook("hangs", 0.5), {}, supervisor.answer))
            await until(lambda: supervisor.store)
            os.kill(pid_of(worker), signal.SIGSTOP)
            outcome = await running
            assert outcome.status == "lost"
            assert "did not end the hook hangs" in outcome.error
            await until(lambda: not any(map(is_alive, supervisor.store["pids"])))
            assert returned(await worker.call("web", hook("shows"), {}, supervisor.answer))

    asyncio.run(run())


def test_a_worker_ends_with_its_supervisor_and_so_do_its_calls(tmp_path: Path) -> None:
    file = definition(tmp_path, LEAVING)

    async def run() -> None:
        supervisor = Supervisor()
        async with closing(Worker(file)) as worker:
            running = asyncio.create_task(worker.call("web", hook("hangs"), {}, supervisor.answer))
            await until(lambda: supervisor.store)
            pid = pid_of(worker)
        assert (await running).status == "lost"
        assert not any(map(is_alive, [pid, *supervisor.store["pids"]]))
        assert (await worker.call("web", hook("shows"), {}, supervisor.answer)).status == "lost"

    asyncio.run(run())


def test_no_descriptor_and_no_child_is_left(tmp_path: Path) -> None:
    file = definition(tmp_path, LEAVING)
    calls(lambda: Worker(file), hook("returns"))
    before = sorted(os.listdir("/proc/self/fd")), set(children())
    calls(lambda: Worker(file), hook("returns"), hook("hangs", 0.5), hook("nothing"))
    assert sorted(os.listdir("/proc/self/fd")) == before[0]
    assert set(children()) <= before[1]


# What a hook's process may say.

HOSTILE = """
    import json, os, socket, time
    from haconiwa_runtime.messages import receive, send
    def tries(c, data, descriptors=()):
        socket.send_fds(c._channel, [data], descriptors)
        return receive(c._channel).content["error"]["text"]
    @web.on("after_start")
    def nonsense(c):
        told = [
            tries(c, b"j{"),
            tries(c, b"j[]"),
            tries(c, b"j" + b"[" * 60000),
            tries(c, b"j" + b'{"a":' * 10000),
            tries(c, b"j" + b"9" * 60000),
            tries(c, b"j\\xff"),
            tries(c, b"j" + b" " * 100000),
            tries(c, b'j{"ask": "everything"}'),
            tries(c, b'j{"ask": "kill", "and": 1}'),
            tries(c, b"m" + b"{}", [0]),
            tries(c, b"j{}", [0] * 250),
        ]
        try:
            c.store["a"] = "x" * 200_000
        except Exception as error:
            told.append(str(error))
        c.store["after"] = 1
        return told
    @web.on("after_start")
    def floods(c):
        c._channel.settimeout(0)
        data = b"j" + json.dumps({"ask": "store_get", "key": "x" * 30000}).encode()
        end = time.monotonic() + 2
        sent = 0
        while time.monotonic() < end:
            try:
                sent += bool(c._channel.send(data))
            except BlockingIOError:
                time.sleep(0.001)
        c._channel.settimeout(None)
        return sent
    @web.on("after_start")
    def lies(c):
        send(c._channel, {"returned": [1], "raised": {"a": 1}, "ask": "kill"})
        os._exit(5)
    @web.on("after_start")
    def quick(c): return 1
"""


def test_what_makes_no_sense_is_refused_and_the_next_request_answered(tmp_path: Path) -> None:
    supervisor = Supervisor()
    told = returned(call(definition(tmp_path, HOSTILE), "nonsense", answer=supervisor.answer))
    assert len(told) == 12
    assert all(told), told
    assert "no JSON" in told[0]
    assert "cut" in told[6]
    assert "no such request" in told[7]
    assert "too large" in told[11]
    assert [each["ask"] for each in supervisor.asked] == ["store_set"]
    assert supervisor.store == {"after": 1}


def test_a_flood_of_requests_delays_no_other_hook(tmp_path: Path) -> None:
    file = definition(tmp_path, HOSTILE)

    async def run() -> None:
        flooded, other = Supervisor(), Supervisor()
        async with closing(Worker(file)) as worker:
            floods = asyncio.create_task(worker.call("web", hook("floods", 4.0), {}, flooded.answer))
            await until(lambda: flooded.asked)
            count = 0
            while not floods.done():
                returned(await worker.call("web", hook("quick"), {}, other.answer))
                count += 1
            # It has not read what it was told, so it was not listened to any more, to its end.
            assert len(flooded.asked) < 1000
            assert floods.result().status == "timeout"
            assert count > 20

    asyncio.run(run())


def test_the_first_result_counts_whatever_else_is_said(tmp_path: Path) -> None:
    supervisor = Supervisor()
    assert returned(call(definition(tmp_path, HOSTILE), "lies", answer=supervisor.answer)) == [1]
    assert supervisor.asked == []


def test_a_fault_of_an_answer_is_told_to_the_hook_and_to_the_loop(tmp_path: Path) -> None:
    file = definition(
        tmp_path,
        """
        @web.on("oom")
        def f(c): c.kill()
        @web.on("oom")
        def g(c): return c.definition
        """,
    )
    faults: list[Mapping[str, Any]] = []

    async def faulty(request: dict[str, Any]) -> Mapping[str, Any]:
        if request["ask"] == "kill":
            raise RuntimeError("a fault")
        return {"value": {1, 2}}

    async def run() -> list[Outcome]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        async with closing(Worker(file)) as worker:
            return [await worker.call("web", hook(name), {}, faulty) for name in "fg"]

    raised, unsendable = asyncio.run(run())
    assert (raised.status, unsendable.status) == ("raised", "raised")
    assert raised.error.endswith("HookError: a fault\n")
    assert "not JSON serializable" in unsendable.error
    assert [type(fault["exception"]) for fault in faults] == [RuntimeError, TypeError]


def test_facts_that_are_too_large_fail_the_call_alone(tmp_path: Path) -> None:
    file = definition(tmp_path, "@web.on('oom')\ndef f(c): return len(c.args)\n")

    async def run() -> list[Outcome]:
        async with closing(Worker(file)) as worker:
            answer = Supervisor().answer
            sizes = (9_000_000, 1_000_000)
            return [await worker.call("web", hook("f"), {"args": "x" * size}, answer) for size in sizes]

    too_large, large = asyncio.run(run())
    assert too_large.status == "lost"
    assert "too large" in too_large.error
    assert returned(large) == 1_000_000


# Workers of programs.


def container(*functions: Callable[[Context], object]) -> Container:
    made = Container("web", ["true"])
    for function in functions:
        made.on("after_start")(function)
    return made


def in_program(*functions: Callable[[Context], object]) -> Worker:
    """Return a worker that this process has forked."""
    return Worker(connection=fork_worker([container(*functions)]))


def shows(c: Context) -> list[Any]:
    descriptors = {name: os.readlink(f"/proc/self/fd/{name}") for name in _descriptors()}
    return [Path("/proc/self/status").read_text(), descriptors, [os.getpid(), os.getsid(0), os.getpgid(0)]]


def _descriptors() -> list[str]:
    return [name for name in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{name}")]


def test_a_worker_of_a_program_has_its_functions_and_memory() -> None:
    number = [41]

    def adds(c: Context) -> int:
        number[0] += 1
        os.write(1, b"adding\n")
        return number[0]

    async def later(c: Context) -> str:
        await asyncio.sleep(0)
        return c.name

    outcomes = calls(lambda: in_program(adds, later), hook("adds"), hook("adds"), hook("later"), name="web-1")
    assert [outcome.value for outcome in outcomes] == [42, 42, "web-1"]
    assert outcomes[0].output == "adding\n"
    assert number == [41]


def test_nothing_of_a_program_but_its_memory_is_inherited() -> None:
    before = signal.signal(signal.SIGUSR2, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    leak = os.open("/etc", os.O_RDONLY)
    try:
        (outcome,) = calls(lambda: in_program(shows), hook("shows"))
    finally:
        os.close(leak)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        signal.signal(signal.SIGUSR2, before)
    status, descriptors, (pid, session, group) = returned(outcome)
    assert signals_of(status) == INTERPRETER
    assert pid == session == group
    _only_its_own(descriptors)


def test_a_program_has_no_child_of_it_and_can_fork_from_any_thread() -> None:
    made: list[socket.socket] = []
    before = set(children())
    thread = Thread(target=lambda: made.append(fork_worker([container(shows)])))
    thread.start()
    thread.join()
    assert set(children()) <= before
    (outcome,) = calls(lambda: Worker(connection=made[0]), hook("shows"))
    returned(outcome)


def test_a_worker_of_a_program_that_has_ended_is_not_replaced() -> None:
    def pid(c: Context) -> int:
        return os.getppid()

    async def run() -> None:
        async with closing(in_program(pid)) as worker:
            assert await worker.start() == {"web": ["pid"]}
            answer = Supervisor().answer
            ended = returned(await worker.call("web", hook("pid"), {}, answer))
            os.kill(ended, signal.SIGKILL)
            await until(lambda: not is_alive(ended))
            outcomes = [await worker.call("web", hook("pid"), {}, answer) for _ in range(2)]
            assert [outcome.status for outcome in outcomes] == ["lost", "lost"]
            assert "only that can fork another" in outcomes[1].error

    asyncio.run(run())


def test_a_worker_of_a_program_ends_when_nobody_has_its_socket() -> None:
    seen: list[int] = []

    def pid(c: Context) -> int:
        return os.getppid()

    async def run() -> None:
        async with closing(in_program(pid)) as worker:
            seen.append(returned(await worker.call("web", hook("pid"), {}, Supervisor().answer)))
        await until(lambda: not is_alive(seen[0]))

    asyncio.run(run())
    unused = fork_worker([container(shows)])
    unused.close()

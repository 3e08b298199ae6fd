"""What the kernel does to containers is noticed, and nothing else: on the real kernel, with real limits."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from haconiwa_cgroup import Cgroup, Limits
from haconiwa_supervision.watching import Watcher, sources_of
from haconiwa_supervision.watching.pressure import problems_of
from haconiwa_supervision.watching.sources import By

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.facts import CgroupPlace, Counter
from haconiwa_core.hooks.events import Event
from haconiwa_core.hooks.hook import Hook, On, OnPressure
from haconiwa_core.host import HostFacts, gather
from haconiwa_core.linux import remove_cgroup
from haconiwa_core.linux.constants import CAP_SYS_RESOURCE
from haconiwa_core.runtime.record import Process, Record
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing import host as made_up, needs_root, plan_of, run_attached, started
from haconiwa_core.testing.running import INSTANCE

HOG = "a = bytearray(200 << 20)"
FORKS = """
import os, time
children = []
try:
    for _ in range(60):
        pid = os.fork()
        if pid == 0:
            time.sleep(600)
            os._exit(0)
        children.append(pid)
except OSError:
    pass
for pid in children:
    os.kill(pid, 9)
    os.waitpid(pid, 0)
"""


def python(source: str) -> list[str]:
    return [sys.executable, "-I", "-c", source]


def repeated(source: str, marker: Path) -> list[str]:
    """Return a command that runs a program each time that a file appears, which it removes."""
    script = (
        f"while true; do if [ -e {marker} ]; then rm {marker}; {sys.executable} -I -c '{source}'; fi; sleep 0.05; done"
    )
    return ["sh", "-c", script]


@pytest.fixture
def parent() -> Iterator[str]:
    """Return a group for a test's containers, which is removed in every hierarchy."""
    name = f"haconiwa-test-watching-{os.getpid()}"
    yield f"/{name}"
    for tree in gather().cgroups:
        if "=" not in ",".join(tree.controllers):
            remove_cgroup(tree.mount, name)


@contextmanager
def kept(store: Path, feature: Cgroup, **fields: Any) -> Iterator[tuple[Any, Record]]:
    with started(feature, store=Store(store), **fields) as running:
        yield running, Store(store).read(INSTANCE)


async def until(condition: Callable[[], object], timeout: float = 20) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.01)


def watching(record: Record, act: Callable[[list[Event]], Any], seen: dict[str, int] | None = None) -> list[Event]:
    """Watch a container while a coroutine acts; return what was heard."""
    heard: list[Event] = []

    async def main() -> None:
        watcher = Watcher()
        watch = watcher.watch(sources_of(record, gather()), heard.append, seen)
        try:
            await act(heard)
        finally:
            watch.close()
            watcher.close()

    before = sorted(os.listdir("/proc/self/fd"))
    asyncio.run(main())
    assert sorted(os.listdir("/proc/self/fd")) == before
    return heard


@needs_root
@pytest.mark.parametrize(
    ("source", "event"), [(HOG, Event.OOM), (FORKS, Event.PIDS_LIMIT)], ids=["memory", "processes"]
)
def test_each_time_is_heard_and_nothing_else(tmp_path: Path, parent: str, source: str, event: Event) -> None:
    feature = Cgroup(parent=parent, memory="40M", pids=20)
    marker = tmp_path / "marker"
    with kept(tmp_path / "state", feature, command=repeated(source, marker)) as (_, record):

        async def act(heard: list[Event]) -> None:
            for number in (1, 2):
                marker.touch()
                await until(lambda number=number: len(heard) == number)
                # Some more looks find nothing new.
                await asyncio.sleep(1.5)
                assert heard == [event] * number

        assert watching(record, act) == [event, event]


@needs_root
def test_what_is_within_its_limits_is_not_heard(tmp_path: Path, parent: str) -> None:
    feature = Cgroup(parent=parent, memory="400M", pids=100)
    marker = tmp_path / "marker"
    source = f"{HOG}; del a{FORKS}"
    with kept(tmp_path / "state", feature, command=repeated(source, marker)) as (_, record):

        async def act(_: list[Event]) -> None:
            marker.touch()
            await until(lambda: not marker.exists())
            await asyncio.sleep(3)

        assert watching(record, act) == []


@needs_root
@pytest.mark.parametrize(("source", "event"), [(HOG, Event.OOM), (FORKS, Event.PIDS_LIMIT)])
@pytest.mark.parametrize("own", [False, True])
def test_what_is_attached_counts(tmp_path: Path, parent: str, source: str, event: Event, own: bool) -> None:
    limits = {"memory": "40M", "pids": 20}
    feature = Cgroup(parent=parent, **({"memory": "400M", "pids": 100, "exec": Limits(**limits)} if own else limits))
    with kept(tmp_path / "state", feature) as (running, record):

        async def act(heard: list[Event]) -> None:
            await asyncio.to_thread(run_attached, running, feature, command=python(source))
            await until(lambda: heard)

        assert watching(record, act) == [event]


@needs_root
def test_containers_are_told_apart(tmp_path: Path, parent: str) -> None:
    feature = Cgroup(parent=parent, memory="40M", pids=20)
    marker = tmp_path / "marker"
    store = Store(tmp_path / "state")
    with (
        started(feature, store=store, instance="first", command=repeated(HOG, marker)),
        started(feature, store=store, instance="second"),
    ):
        heard: list[str] = []

        async def main() -> None:
            watcher = Watcher()
            watches = [
                watcher.watch(sources_of(store.read(name), gather()), lambda _, name=name: heard.append(name))
                for name in ("first", "second")
            ]
            marker.touch()
            await until(lambda: heard)
            await asyncio.sleep(1.5)
            for watch in watches:
                watch.close()
            watcher.close()

        asyncio.run(main())
        assert heard == ["first"]


@needs_root
def test_what_happened_while_nobody_watched_is_told_later(tmp_path: Path, parent: str) -> None:
    feature = Cgroup(parent=parent, memory="40M", pids=20)
    with kept(tmp_path / "state", feature) as (running, record):
        seen: dict[str, int] = {}

        async def remember() -> None:
            watcher = Watcher()
            watch = watcher.watch(sources_of(record, gather()), lambda _: None)
            seen.update(watch.seen)
            watch.close()
            watcher.close()

        asyncio.run(remember())
        assert set(seen.values()) == {0}
        run_attached(running, feature, command=python(HOG))
        run_attached(running, feature, command=python(FORKS))

        async def act(heard: list[Event]) -> None:
            await until(lambda: len(heard) == 2)

        assert set(watching(record, act, seen)) == {Event.OOM, Event.PIDS_LIMIT}

        async def nothing(_: list[Event]) -> None:
            await asyncio.sleep(1.5)

        # Who has not seen the beginning takes it for what there was.
        assert watching(record, nothing) == []


@needs_root
def test_the_end_of_the_first_process_by_its_limit_is_heard_at_once(tmp_path: Path, parent: str) -> None:
    """The last look finds it, though nothing else of the loop has run since."""
    feature = Cgroup(parent=parent, memory="40M")
    marker = tmp_path / "marker"
    source = f"import os, time\nwhile not os.path.exists('{marker}'): time.sleep(0.05)\n{HOG}"
    with kept(tmp_path / "state", feature, command=python(source)) as (running, record):
        heard: list[Event] = []

        async def main() -> None:
            watcher = Watcher()
            watch = watcher.watch(sources_of(record, gather()), heard.append)
            marker.touch()
            os.waitid(os.P_PIDFD, running.pidfd, os.WEXITED | os.WNOWAIT | 0x40000000)
            assert heard == []
            watch.look()
            assert heard == [Event.OOM]
            watch.close()
            watcher.close()

        asyncio.run(main())


@needs_root
def test_its_groups_may_be_removed_under_the_watch(tmp_path: Path, parent: str) -> None:
    feature = Cgroup(parent=parent, memory="40M", pids=20)
    heard: list[Event] = []

    async def main() -> None:
        watcher = Watcher()
        with kept(tmp_path / "state", feature) as (_, record):
            watch = watcher.watch(sources_of(record, gather()), heard.append)
            if pressure_is_told(record):
                watch.on_pressure(record.group, OnPressure("memory", window=2.0), lambda: None)
        began = time.process_time()
        await asyncio.sleep(1.5)
        # A descriptor whose file has gone would be ready again and again.
        assert time.process_time() - began < 0.5
        watch.close()
        watcher.close()

    asyncio.run(main())
    assert heard == []


@needs_root
def test_a_container_without_limits_has_nothing_to_watch(tmp_path: Path, parent: str) -> None:
    with kept(tmp_path / "state", Cgroup(parent=parent)) as (_, record):
        sources = sources_of(record, gather())
        memory = next(tree for tree in gather().cgroups if "memory" in tree.controllers)
        # Version 2 counts for whoever has a group.
        assert not [source for source in sources if memory.version == 1 and source.event is Event.OOM]
    with started(store=Store(tmp_path / "other")):
        assert sources_of(Store(tmp_path / "other").read(INSTANCE), gather()) == ()


@needs_root
def test_groups_of_others_are_not_watched(tmp_path: Path, parent: str) -> None:
    """A container that is put into an existing group shares its counters."""
    tree = next(tree for tree in gather().cgroups if "pids" in tree.controllers)
    Path(tree.mount + parent).mkdir()
    with kept(tmp_path / "state", Cgroup(assign=[f"pids:{parent}"])) as (_, record):
        assert sources_of(record, gather()) == ()


@needs_root
def test_another_process_of_its_pid_is_not_asked(tmp_path: Path, parent: str) -> None:
    with kept(tmp_path / "state", Cgroup(parent=parent, pids=20)) as (_, record):
        assert record.child
        other = record._replace(child=Process(record.child.pid, record.child.started + 1))
        with pytest.raises(ProcessLookupError):
            sources_of(other, gather())


def pressure_is_told(record: Record) -> bool:
    return Path(*record.group, "memory.pressure").exists()


def stall(resource: str, folder: Path) -> list[str]:
    """Return a command whose processes wait for a resource once the pipe "go" is closed."""
    # Who waits for that needs nothing meanwhile.
    os.mkfifo(folder / "go")
    work = {
        "cpu": "while True: pass",
        # All read a file that is larger than what they may keep of it.
        "memory": f"while True:\n  f = open('{folder}/data', 'rb', 0)\n  while f.read(1 << 20): pass",
        "io": f"while True:\n  f = os.open('{folder}/data', os.O_RDONLY | os.O_DIRECT)\n  m = mmap.mmap(-1, 1 << 20)\n"
        "  while os.readv(f, [m]): pass\n  os.close(f)",
    }[resource]
    source = (
        f"import mmap, os, time\nopen('{folder}/go').read()\n"
        f"for _ in range(7): os.fork() or exec('''{work}''')\ntime.sleep(600)"
    )
    return python(source)


async def begun(folder: Path) -> int:
    """Return the pipe "go" when the command waits for it, and has done what a beginning takes."""
    while True:
        try:
            return os.open(folder / "go", os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            await asyncio.sleep(0.05)


@needs_root
@pytest.mark.parametrize("resource", ["cpu", "memory", "io"])
def test_pressure_is_heard_and_its_absence_is_not(tmp_path: Path, parent: str, resource: str) -> None:
    with open(tmp_path / "data", "wb") as data:
        data.write(os.urandom(1 << 20) * 100)
        os.fsync(data.fileno())
        # What is in memory already is nobody's.
        os.posix_fadvise(data.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    limits: dict[str, Any] = {"cpu": {"cpu": 0.5}, "memory": {"memory": "60M"}, "io": {}}[resource]
    command = stall(resource, tmp_path)
    with kept(tmp_path / "state", Cgroup(parent=parent, **limits), command=command) as (_, record):
        if not pressure_is_told(record):
            pytest.skip("the kernel, or the version of control groups here, tells of no pressure")
        heard: list[str] = []
        stalled = "stalled"

        async def main() -> None:
            nonlocal stalled
            watcher = Watcher()
            watch = watcher.watch((), lambda _: None)
            go = await begun(tmp_path)
            # What the beginning has waited for is accounted for every two seconds.
            await asyncio.sleep(5)
            trigger = OnPressure(resource, stall=0.02, window=2.0)  # type: ignore[arg-type]
            watch.on_pressure(record.group, trigger, lambda: heard.append(resource))
            await asyncio.sleep(3)
            assert heard == []
            os.close(go)
            try:
                await until(lambda: len(heard) > 1, timeout=30)
            except TimeoutError:
                stalled = Path(*record.group, f"{resource}.pressure").read_text().splitlines()[0]
            watch.close()
            count = len(heard)
            await asyncio.sleep(3)
            assert len(heard) == count
            watcher.close()

        asyncio.run(main())
        if not heard and int(stalled.rpartition("=")[2]) < 100_000:
            pytest.skip(f"nothing can be made to wait for {resource} here: {stalled}")
        assert len(heard) > 1


@needs_root
def test_each_trigger_has_its_own_ears(tmp_path: Path, parent: str) -> None:
    features = Cgroup(parent=parent, cpu=0.5)
    store = Store(tmp_path / "state")
    with (
        started(features, store=store, instance="busy", command=stall("cpu", tmp_path)),
        started(features, store=store, instance="idle"),
    ):
        busy, idle = store.read("busy"), store.read("idle")
        if not pressure_is_told(busy):
            pytest.skip("the kernel, or the version of control groups here, tells of no pressure")
        heard: list[str] = []

        async def main() -> None:
            watcher = Watcher()
            os.close(await begun(tmp_path))
            busily, idly = watcher.watch((), lambda _: None), watcher.watch((), lambda _: None)
            idly.on_pressure(idle.group, OnPressure("cpu", 0.02, 2.0), lambda: heard.append("idle"))
            for name, limit in (("low", 0.02), ("impossible", 2.0)):
                busily.on_pressure(busy.group, OnPressure("cpu", limit, 2.0), lambda name=name: heard.append(name))
            busily.on_pressure(busy.group, OnPressure("cpu", 0.02, 2.0, "full"), lambda: heard.append("full"))
            await until(lambda: {"low", "full"} <= set(heard), 40)
            for watch in (busily, idly):
                watch.close()
            watcher.close()

        asyncio.run(main())
        assert "idle" not in heard


@needs_root
def test_a_trigger_that_the_kernel_refuses(tmp_path: Path, parent: str) -> None:
    with kept(tmp_path / "state", Cgroup(parent=parent)) as (_, record):
        if not pressure_is_told(record):
            pytest.skip("the kernel, or the version of control groups here, tells of no pressure")

        async def main() -> None:
            watcher = Watcher()
            watch = watcher.watch((), lambda _: None)
            before = len(os.listdir("/proc/self/fd"))
            watch.on_pressure(record.group, OnPressure("cpu", 0.1, 2.0), lambda: None)
            with pytest.raises(HaconiwaError, match="the kernel refuses the trigger"):
                watch.on_pressure(record.group, OnPressure("cpu", 3.0, 2.0), lambda: None)
            with pytest.raises(HaconiwaError, match="control groups of version 1 have none"):
                watch.on_pressure((str(tmp_path), "none"), OnPressure("cpu", 0.1, 2.0), lambda: None)
            watch.close()
            watcher.close()
            assert len(os.listdir("/proc/self/fd")) == before

        asyncio.run(main())


def complaints(trigger: Any, facts: list[Any], host: HostFacts | None = None) -> list[str]:
    plan = plan_of(facts=facts, hooks=[Hook("mine", trigger, print)], **({"host": host} if host else {}))
    return [f"{problem.text}; {problem.hint}" for problem in problems_of(plan)]


UNIFIED = CgroupPlace("/sys/fs/cgroup/haconiwa", "x", True)
OLD = CgroupPlace("/sys/fs/cgroup/freezer/haconiwa", "x", False)
KILLS = Counter("oom", "/sys/fs/cgroup/haconiwa", "x", ("memory.events",), "oom_kill")


def test_hooks_that_would_wait_in_vain_are_refused() -> None:
    assert complaints(OnPressure("cpu"), [UNIFIED]) == []
    for facts in ([], [OLD]):
        assert complaints(OnPressure("cpu"), facts) == [
            "hook mine: needs a control group of version 2, where pressure is told of; add cgroup"
        ]
    assert "stall must be more than 0" in complaints(OnPressure("cpu", stall=0), [UNIFIED])[0]
    assert "not more than window" in complaints(OnPressure("cpu", stall=2.5), [UNIFIED])[0]
    assert complaints(On("oom"), [UNIFIED]) == ["hook mine: needs a control group with a limit of memory; add cgroup"]
    assert complaints(On("oom"), [UNIFIED, KILLS]) == []
    assert "a limit of processes; add cgroup" in complaints(On("pids_limit"), [])[0]
    assert complaints(On("pids_limit"), [UNIFIED]) == []
    assert complaints(On("after_start"), []) == []


def test_short_windows_need_a_capability() -> None:
    whole = made_up()
    ordinary = whole._replace(capabilities=whole.capabilities & ~(1 << CAP_SYS_RESOURCE))
    assert complaints(OnPressure("cpu", window=1.5), [UNIFIED], whole) == []
    assert "window must be a multiple of 2 seconds" in complaints(OnPressure("cpu", window=1.0), [UNIFIED], ordinary)[0]
    for window in (2, 4.0, 10.0):
        assert complaints(OnPressure("cpu", window=window), [UNIFIED], ordinary) == []


@needs_root
def test_the_capability_is_what_the_kernel_asks_for(tmp_path: Path, parent: str) -> None:
    """The same trigger is refused while planning exactly where the kernel refuses it."""
    trigger = OnPressure("cpu", 0.1, 1.0)
    with kept(tmp_path / "state", Cgroup(parent=parent)) as (_, record):
        if not pressure_is_told(record):
            pytest.skip("the kernel, or the version of control groups here, tells of no pressure")
        refused: list[str] = []

        async def main() -> None:
            watcher = Watcher()
            watch = watcher.watch((), lambda _: None)
            try:
                watch.on_pressure(record.group, trigger, lambda: None)
            except HaconiwaError as error:
                refused.append(str(error))
            watch.close()
            watcher.close()

        asyncio.run(main())
    assert bool(refused) is bool(complaints(trigger, [UNIFIED], gather()))


def test_how_each_version_is_watched(tmp_path: Path) -> None:
    """Nothing of version 1 is left to inotify, which it does not tell."""
    assert {source.by for source in _sources(tmp_path, 2)} == {By.INOTIFY}
    assert {(source.event, source.by) for source in _sources(tmp_path, 1)} == {
        (Event.OOM, By.EVENTFD),
        (Event.PIDS_LIMIT, By.LOOKING),
    }


def _sources(folder: Path, version: int) -> list[Any]:
    from haconiwa_supervision.watching.sources import _sources_in

    from haconiwa_core.host import CgroupTree

    group = folder / f"version-{version}"
    for leaf in (group, group / "first", group / "attached"):
        leaf.mkdir()
        for file in ("memory.events", "memory.oom_control", "pids.events"):
            (leaf / file).touch()
    return list(_sources_in(CgroupTree(str(folder), version, ("memory", "pids"), "/", False), str(group)))

"""Limits of a running container: changed, lifted, and refused where they would do harm."""

from __future__ import annotations

import errno
import sys
import time
from pathlib import Path

import pytest
from haconiwa_cgroup import Cgroup, Io, Limits
from haconiwa_cgroup.changes import changes
from haconiwa_cgroup.files import number
from haconiwa_cgroup.layout import layout_of

from haconiwa_core.errors import DefinitionError, StepError
from haconiwa_core.host import CgroupTree, HostFacts, gather
from haconiwa_core.launch.local import run_host_step
from haconiwa_core.linux.host import KERNEL
from haconiwa_core.planning.updating import plan_update
from haconiwa_core.testing import all_plugins, host as made_up, needs_root, started
from haconiwa_core.testing.plans import container_of
from haconiwa_core.testing.running import INSTANCE

HOLD = "a = bytearray(30 << 20); print(len(a), flush=True); import time; time.sleep(600)"


def update(old: Cgroup, new: Cgroup, host: HostFacts | None = None) -> None:
    """Run the steps of an update, as the updating process does."""
    for planned in plan_update(container_of(old), container_of(new), host or gather(), all_plugins()):
        run_host_step(planned, {"name": INSTANCE, "directory": "/nonexistent"}, KERNEL)


def problems(old: Cgroup, new: Cgroup, host: HostFacts | None = None) -> list[tuple[str, str]]:
    try:
        changes(old, new, host or made_up())
    except DefinitionError as error:
        return [(problem.key, problem.text) for problem in error.problems]
    return []


def written(old: Cgroup, new: Cgroup, host: HostFacts | None = None) -> list[tuple[str, str, str]]:
    found = changes(old, new, host or made_up()).written
    return [(item.leaf, item.setting.file, item.setting.value) for item in found]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (Cgroup(pids=5), Cgroup(pids=5), []),
        (Cgroup(pids=5), Cgroup(pids=6), [("", "pids.max", "6")]),
        (Cgroup(pids=5), Cgroup(), [("", "pids.max", "max")]),
        (Cgroup(), Cgroup(pids=6), [("", "pids.max", "6")]),
        (Cgroup(memory="1G", pids=5), Cgroup(memory="2G", pids=5), [("", "memory.max", str(2 << 30))]),
        (Cgroup(memory_high="1G"), Cgroup(), [("", "memory.high", "max")]),
        (Cgroup(cpu=1.5), Cgroup(cpu=0.5), [("", "cpu.max", "50000 100000")]),
        (Cgroup(cpu=1.5, cpu_weight=5), Cgroup(), [("", "cpu.max", "max 100000"), ("", "cpu.weight", "100")]),
        (Cgroup(exec=Limits(pids=5)), Cgroup(exec=Limits(pids=6)), [("attached", "pids.max", "6")]),
        (Cgroup(exec=Limits(pids=5)), Cgroup(), [("attached", "pids.max", "max")]),
        (Cgroup(raw={"memory.oom.group": "1"}), Cgroup(raw={"memory.oom.group": "0"}), [("", "memory.oom.group", "0")]),
        (
            Cgroup(io={"8:0": Io(rbps=1), "8:16": Io(wiops=2)}),
            Cgroup(io={"8:0": Io(rbps=1)}),
            [("", "io.max", "8:16 rbps=max wbps=max riops=max wiops=max")],
        ),
        (Cgroup(hugetlb={"2MB": "4M"}), Cgroup(), [("", "hugetlb.2MB.max", "max")]),
    ],
)
def test_only_what_differs_is_written(old: Cgroup, new: Cgroup, expected: list[tuple[str, str, str]]) -> None:
    assert written(old, new) == expected


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        (Cgroup(), Cgroup(name="other"), "name"),
        (Cgroup(), Cgroup(parent="/other"), "parent"),
        (Cgroup(), Cgroup(assign=["/other"]), "assign"),
        (Cgroup(devices=["default"]), Cgroup(devices=[]), "devices"),
        (Cgroup(devices=["default"]), Cgroup(), "devices"),
        (Cgroup(raw={"memory.oom.group": "1"}), Cgroup(), "raw.memory.oom.group"),
        (Cgroup(cpuset="0"), Cgroup(), "cpuset"),
        (Cgroup(exec=Limits(cpuset="0")), Cgroup(exec=Limits()), "exec.cpuset"),
    ],
)
def test_what_cannot_change(old: Cgroup, new: Cgroup, key: str) -> None:
    ((found, text),) = problems(old, new)
    assert found == key
    assert text.endswith("while the container runs")


def test_a_hierarchy_that_the_container_is_not_in() -> None:
    trees = (
        CgroupTree("/cg/unified", 2, (), "/", delegated=False),
        CgroupTree("/cg/memory", 1, ("memory",), "/", delegated=False),
        CgroupTree("/cg/pids", 1, ("pids",), "/", delegated=False),
    )
    facts = made_up(cgroups=trees)
    ((_, text),) = problems(Cgroup(pids=5), Cgroup(pids=5, memory="1G"), facts)
    assert text == "the container was started without a group of memory"
    assert written(Cgroup(pids=5), Cgroup(pids=6), facts) == [("", "pids.max", "6")]


def test_controllers_that_were_not_needed_are_turned_on_first() -> None:
    (turned_on,) = changes(Cgroup(), Cgroup(pids=5), made_up()).turned_on
    assert turned_on[1:] == ("", ("pids",))
    found = changes(Cgroup(pids=5), Cgroup(pids=5, exec=Limits(pids=2)), made_up()).turned_on
    assert [item[1:] for item in found] == [("attached", ("pids",))]
    steps = plan_update(container_of(Cgroup()), container_of(Cgroup(exec=Limits(pids=2))), made_up(), all_plugins())
    assert [item.step.function.__name__ for item in steps] == ["make_parents", "turn_on_in", "write_limit"]


@needs_root
def test_limits_change(place, host: HostFacts) -> None:
    old = Cgroup(parent=place.parent, memory="64M", pids=20, cpu=0.5)
    new = Cgroup(parent=place.parent, memory="128M", pids=10, cpu=1.0)
    with started(old, host=host):
        update(old, new, host)
        assert (memory_limit(place), pids_limit(place)) == (128 << 20, "10")
        update(new, old, host)
        assert (memory_limit(place), pids_limit(place)) == (64 << 20, "20")
        update(old, Cgroup(parent=place.parent), host)
        assert (memory_limit(place) > 1 << 60, pids_limit(place)) == (True, "max")


def memory_file(place, version_1: str, version_2: str) -> Path:
    return place.folder("memory", INSTANCE, version_2 if place.tree("memory").version == 2 else version_1)


def memory_limit(place) -> int:
    text = memory_file(place, "memory.limit_in_bytes", "memory.max").read_text().strip()
    return 2**63 if text == "max" else int(text)


def pids_limit(place) -> str:
    return str(place.folder("pids", INSTANCE, "pids.max").read_text().strip())


@needs_root
@pytest.mark.parametrize("swap", [None, "16M"])
def test_memory_below_what_is_in_use(place, swap: str | None) -> None:
    """It is refused before it is written: the kernel would kill for it, or reclaim first."""
    old = Cgroup(parent=place.parent, memory="64M", swap=swap)
    with started(old, command=[sys.executable, "-I", "-c", HOLD]) as running:
        usage = memory_file(place, "memory.usage_in_bytes", "memory.current")
        while int(usage.read_text()) < 30 << 20:
            time.sleep(0.01)
        with pytest.raises(StepError, match="are in use, more than 20971520") as caught:
            update(old, Cgroup(parent=place.parent, memory="20M", swap=swap))
        assert caught.value.errno == errno.EBUSY
        assert "higher" in caught.value.remedy
        assert memory_limit(place) == 64 << 20
        for size in ("48M", "200M", "40M"):
            new = Cgroup(parent=place.parent, memory=size, swap=swap)
            update(old, new)
            assert memory_limit(place) == int(size[:-1]) << 20
            old = new
        assert Path(f"/proc/{running.pid}").exists()


@needs_root
def test_fewer_processes_than_there_are(place) -> None:
    old = Cgroup(parent=place.parent, pids=20)
    with started(old, command=["sh", "-c", "sleep 600 & sleep 600 & sleep 600 & wait"]):
        processes = place.folder("pids", INSTANCE, "first", "cgroup.procs")
        while len(processes.read_text().split()) < 4:
            time.sleep(0.01)
        with pytest.raises(StepError, match="4 are in use, more than 3"):
            update(old, Cgroup(parent=place.parent, pids=3))
        update(old, Cgroup(parent=place.parent, pids=4))


@needs_root
def test_under_load(place) -> None:
    """A container that allocates and frees all the time sees no limit that was not asked for."""
    load = "while True:\n    a = bytearray(20 << 20)\n    del a"
    low, high = (Cgroup(parent=place.parent, memory=size, pids=pids) for size, pids in (("64M", 5), ("256M", 50)))
    with started(low, command=[sys.executable, "-I", "-c", load]) as running:
        for _ in range(50):
            update(low, high)
            update(high, low)
        assert (memory_limit(place), pids_limit(place)) == (64 << 20, "5")
        assert Path(f"/proc/{running.pid}/cmdline").read_text()
        events = memory_file(place, "first/memory.oom_control", "memory.events").read_text()
        assert "oom_kill 0" in events.splitlines()


def test_the_layout_does_not_move() -> None:
    old, new = Cgroup(pids=5), Cgroup(pids=6)
    assert layout_of(old, made_up()).hierarchies == layout_of(new, made_up()).hierarchies


@needs_root
def test_a_controller_is_turned_on_in_a_running_container(place) -> None:
    if "hugetlb" not in place.tree("unified").controllers:
        pytest.skip("hugetlb is not in version 2")
    old = Cgroup(parent=place.parent)
    new = Cgroup(parent=place.parent, hugetlb={"2MB": "4M"}, exec=Limits(hugetlb={"2MB": "2M"}))
    group = place.folder("unified", INSTANCE)
    with started(old):
        update(old, new)
        limits = [number(group / leaf, "hugetlb.2MB.max") for leaf in ("", "attached", "first")]
        assert limits == [4 << 20, 2 << 20, "max"]
        update(new, old)
        limits = [number(group / leaf, "hugetlb.2MB.max") for leaf in ("", "attached", "first")]
        assert limits == ["max"] * 3

"""Limits on the real kernel: each is met, and a control without it is not."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from haconiwa_cgroup import Cgroup, Io, Limits
from haconiwa_cgroup.usage import usage_of

from haconiwa_core.errors import SetupError
from haconiwa_core.host import HostFacts, gather
from haconiwa_core.testing import needs_root, run, started
from haconiwa_core.testing.running import INSTANCE, run_attached

pytestmark = needs_root

HOG = "a = bytearray(200 << 20); print(len(a))"
FORKS = """
import os, sys
pids = []
try:
    for _ in range(60):
        pid = os.fork()
        if pid == 0:
            sys.stdin.read()
            os._exit(0)
        pids.append(pid)
except OSError as error:
    print(error.errno, len(pids), flush=True)
for pid in pids:
    os.kill(pid, 9)
    os.waitpid(pid, 0)
"""


def python(source: str) -> list[str]:
    return [sys.executable, "-I", "-c", source]


def groups_inside(text: str) -> dict[str, str]:
    """Return the path of each hierarchy's group, from /proc/self/cgroup."""
    rows = [line.split(":", 2) for line in text.splitlines()]
    return {names or "unified": path for _, names, path in rows}


def test_it_is_in_its_groups(place, host: HostFacts) -> None:
    feature = Cgroup(parent=place.parent, memory="64M", pids=20)
    inside = groups_inside(run(feature, command=["cat", "/proc/self/cgroup"], host=host).stdout)
    main = "unified" if host.cgroups[0].version == 2 else "freezer"
    labels = {place.label("memory"), place.label("pids"), main}
    assert {inside[label] for label in labels} == {f"{place.parent}/{INSTANCE}/first"}
    # What no limit needs stays where the caller is.
    caller = groups_inside(Path("/proc/self/cgroup").read_text())
    assert {name: inside[name] for name in inside if name not in labels} == {
        name: caller[name] for name in caller if name not in labels
    }


def test_memory(place, host: HostFacts) -> None:
    end = place.end_of(Cgroup(parent=place.parent, memory="40M"), python(HOG), host)
    assert (end.exit_status, end.reason) == (137, "oom")
    end = place.end_of(Cgroup(parent=place.parent, memory="400M"), python(HOG), host)
    assert (end.exit_status, end.reason) == (0, "exited")


@pytest.mark.parametrize("limits", [{"memory": "40M"}, {}])
def test_killed_by_somebody_else_is_no_oom(place, limits: dict[str, str]) -> None:
    end = place.end_of(Cgroup(parent=place.parent, **limits), ["sh", "-c", "kill -9 $$"])
    assert (end.exit_status, end.reason) == (137, "signaled")


def test_pids(place, host: HostFacts) -> None:
    source = FORKS.replace("sys.stdin.read()", "import time; time.sleep(600)")
    limited = run(Cgroup(parent=place.parent, pids=20), command=python(source), host=host)
    eagain, count = limited.stdout.split()
    assert (int(eagain), int(count)) == (11, 19)
    assert run(Cgroup(parent=place.parent, pids="max"), command=python(source), host=host).stdout == ""


@pytest.mark.parametrize(("limit", "throttled"), [(0.1, True), ("max", False)])
def test_a_quota_is_met(place, limit: float | str, throttled: bool) -> None:
    """The kernel counts how often it had to hold the processes back."""
    source = f"""
import time
while time.process_time() < 0.3:
    pass
print(open("{place.folder("cpu", INSTANCE, "cpu.stat")}").read())
"""
    shown = run(Cgroup(parent=place.parent, cpu=limit), command=python(source)).stdout.splitlines()
    counted = dict(line.split() for line in shown if line)
    assert (int(counted["nr_throttled"]) > 0) is throttled


@pytest.mark.parametrize("weight", [1, 50, 100, 10_000])
def test_weight(place, weight: int) -> None:
    version = place.tree("cpu").version
    file = place.folder("cpu", INSTANCE, "cpu.weight" if version == 2 else "cpu.shares")
    shown = run(Cgroup(parent=place.parent, cpu_weight=weight), command=["cat", str(file)]).stdout
    assert int(shown) == (weight if version == 2 else max(2, weight * 1024 // 100))


def test_cpuset(place) -> None:
    command = python("import os; print(sorted(os.sched_getaffinity(0)))")
    usable = sorted(os.sched_getaffinity(0))
    feature = Cgroup(parent=place.parent, cpuset=str(usable[0]), cpuset_mems="0")
    assert run(feature, command=command).stdout == f"[{usable[0]}]\n"
    assert run(Cgroup(parent=place.parent), command=command).stdout == f"{usable}\n"


def test_a_processor_that_does_not_exist(place) -> None:
    with pytest.raises(SetupError) as caught:
        run(Cgroup(parent=place.parent, cpuset="0,9999"), command=["true"])
    assert (caught.value.plugin, caught.value.stage) == ("cgroup", "PREPARE")
    assert "not all of 0,9999 can be used" in str(caught.value)
    assert caught.value.remedy == "name what the parent has"


DEVICES = """
import os
for name in ("null", "full", "zero"):
    for letter, flag in (("r", os.O_RDONLY), ("w", os.O_WRONLY)):
        try:
            os.close(os.open(f"/dev/{name}", flag))
            print(name, letter, sep=":")
        except PermissionError:
            pass
"""


def hosts_for_devices(place) -> dict[str, HostFacts]:
    """Return this host with the controller of version 1, and without it, where a program does it."""
    facts = gather()
    program = [tree for tree in facts.cgroups if "devices" not in tree.controllers]
    return {"controller": facts, "program": facts._replace(cgroups=tuple(program))}


@pytest.mark.parametrize("way", ["controller", "program"])
@pytest.mark.parametrize(
    ("rules", "usable"),
    [
        (["default"], "null:r null:w full:r full:w zero:r zero:w"),
        (["c 1:3 rwm", "c 1:5 r"], "null:r null:w zero:r"),
        (["/dev/null", "c 1:* r"], "null:r null:w full:r zero:r"),
        (["/dev/null rw", "b 1:7 rwm", "c 1:7 wm"], "null:r null:w full:w"),
        (["c 1:3 r", "/dev/null w"], "null:r null:w"),
        ([], ""),
    ],
)
def test_devices(place, way: str, rules: list[str], usable: str) -> None:
    if way == "controller":
        place.tree("devices")
    feature = Cgroup(parent=place.parent, devices=rules)
    outcome = run(feature, command=python(DEVICES), host=hosts_for_devices(place)[way])
    assert (outcome.stdout.split(), outcome.exit_status) == (usable.split(), 0)


@pytest.mark.parametrize("way", ["controller", "program"])
def test_making_nodes(place, way: str, tmp_path: Path) -> None:
    host = hosts_for_devices(place)[way]
    command = ["mknod", str(tmp_path / "node"), "c", "1", "3"]
    assert run(Cgroup(parent=place.parent, devices=["c 1:3 rw"]), command=command, host=host).exit_status == 1
    assert not (tmp_path / "node").exists()
    assert run(Cgroup(parent=place.parent, devices=["c 1:3 m"]), command=command, host=host).exit_status == 0
    (tmp_path / "node").unlink()


def test_a_path_that_is_no_device(place) -> None:
    with pytest.raises(SetupError, match="/etc/passwd is no device"):
        run(Cgroup(parent=place.parent, devices=["/etc/passwd"]), command=["true"])


def block_device() -> str:
    for name in sorted(os.listdir("/sys/block")):
        if not name.startswith(("loop", "ram", "zram")) and os.path.exists(f"/dev/{name}"):
            return f"/dev/{name}"
    pytest.skip("this host has no disk with a node in /dev")


def test_io(place) -> None:
    device = block_device()
    number = Path("/sys/block", Path(device).name, "dev").read_text().strip()
    version = place.tree("blkio").version if any("blkio" in tree.controllers for tree in place.trees) else 2
    feature = Cgroup(parent=place.parent, io={device: Io(rbps="10M", wiops=7)})
    if version == 2:
        command = ["cat", str(place.folder("io", INSTANCE, "io.max"))]
        expected = [f"{number} rbps=10485760 wbps=max riops=max wiops=7"]
    else:
        files = ("read_bps", "write_bps", "write_iops")
        command = ["cat", *(str(place.folder("blkio", INSTANCE, f"blkio.throttle.{file}_device")) for file in files)]
        expected = [f"{number} 10485760", f"{number} 7"]
    assert run(feature, command=command).stdout.splitlines() == expected
    by_number = Cgroup(parent=place.parent, io={number: Io(rbps="10M", wiops=7)})
    assert run(by_number, command=command).stdout.splitlines() == expected


@pytest.mark.parametrize(
    ("device", "text"), [("/etc/passwd", "/etc/passwd is no block device"), ("4000:4000", "no block device 4000:4000")]
)
def test_io_of_what_is_no_disk(place, device: str, text: str) -> None:
    with pytest.raises(SetupError, match=text) as caught:
        run(Cgroup(parent=place.parent, io={device: Io(rbps=1 << 20)}), command=["true"])
    assert caught.value.remedy


def test_io_of_a_path_that_does_not_exist(place) -> None:
    with pytest.raises(SetupError, match="ENOENT"):
        run(Cgroup(parent=place.parent, io={"/dev/none": Io(rbps=1 << 20)}), command=["true"])


HUGE = """
import mmap
try:
    with mmap.mmap(-1, 4 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000) as pages:
        pages[0] = pages[2 << 20] = 1
        print("both")
except OSError as error:
    print(error.errno)
"""


def test_hugetlb(place) -> None:
    pool = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
    if not pool.exists():
        pytest.skip("this host has no huge pages of 2MB")
    former = int(pool.read_text())
    pool.write_text(str(former + 2))
    try:
        if int(pool.read_text()) < former + 2:
            pytest.skip("no memory for two huge pages")
        assert run(Cgroup(parent=place.parent, hugetlb={"2MB": "4M"}), command=python(HUGE)).stdout == "both\n"
        # What is reserved and may not be charged is a bus error.
        assert run(Cgroup(parent=place.parent, hugetlb={"2MB": "2M"}), command=python(HUGE)).exit_status == 135
    finally:
        pool.write_text(str(former))


def test_huge_pages_of_a_size_that_does_not_exist(place) -> None:
    with pytest.raises(SetupError, match=r"there is no hugetlb\.3MB"):
        run(Cgroup(parent=place.parent, hugetlb={"3MB": "3M"}), command=["true"])


def test_raw(place) -> None:
    version = place.tree("memory").version
    file, value = ("memory.oom.group", "1") if version == 2 else ("memory.swappiness", "17")
    command = ["cat", str(place.folder("memory", INSTANCE, file))]
    assert run(Cgroup(parent=place.parent, raw={file: value}), command=command).stdout == f"{value}\n"
    with pytest.raises(SetupError, match=r"there is no memory\.none"):
        run(Cgroup(parent=place.parent, raw={"memory.none": "1"}), command=["true"])
    with pytest.raises(SetupError, match="EINVAL"):
        run(Cgroup(parent=place.parent, raw={file: "none"}), command=["true"])


def test_what_the_kernel_changes_is_an_error(place) -> None:
    """The kernel takes 1 byte of memory as none at all."""
    with pytest.raises(SetupError, match="set to '1' and reads back as '0'"):
        run(Cgroup(parent=place.parent, memory=1), command=["true"])


def test_a_name_of_its_own_and_who_has_it_already(place) -> None:
    feature = Cgroup(parent=place.parent, name="mine", pids=20)
    with started(feature) as running:
        inside = groups_inside(Path(f"/proc/{running.pid}/cgroup").read_text())
        assert inside[place.label("pids")] == f"{place.parent}/mine/first"
        with pytest.raises(SetupError, match="exists, and is not this container's") as caught:
            run(feature, command=["true"])
        assert caught.value.cleanup == ()
        assert "rmdir" in caught.value.remedy
        # The other one was not harmed by cleaning up.
        os.kill(running.pid, 0)
        assert groups_inside(Path(f"/proc/{running.pid}/cgroup").read_text()) == inside


def test_assign_joins_and_leaves_alone(place) -> None:
    folders = {place.folder("unified"), place.folder("pids")}
    for folder in folders:
        folder.mkdir()
    feature = Cgroup(assign=[place.parent, f"pids:{place.parent}"])
    inside = groups_inside(run(feature, command=["cat", "/proc/self/cgroup"]).stdout)
    assert (inside["unified"], inside[place.label("pids")]) == (place.parent, place.parent)
    assert all(folder.is_dir() for folder in folders)
    with started(feature) as running:
        assert groups_inside(run_attached(running, feature, command=["cat", "/proc/self/cgroup"]).stdout) == inside
    missing = Cgroup(assign=[f"pids:{place.parent}/none"])
    with pytest.raises(SetupError, match=f"there is no group .*{place.parent}/none"):
        run(missing, command=["true"])


def test_what_is_attached_has_a_leaf_and_limits_of_its_own(place, host: HostFacts) -> None:
    feature = Cgroup(parent=place.parent, memory="64M", pids=40, exec=Limits(pids=10))
    source = FORKS.replace("sys.stdin.read()", "import time; time.sleep(600)")
    with started(feature, host=host) as running:
        attached = run_attached(running, feature, command=["cat", "/proc/self/cgroup"], host=host)
        inside = groups_inside(attached.stdout)
        main = "unified" if host.cgroups[0].version == 2 else "freezer"
        labels = (place.label("memory"), place.label("pids"), main)
        assert {inside[label] for label in labels} == {f"{place.parent}/{INSTANCE}/attached"}
        limited = run_attached(running, feature, command=python(source), host=host)
        assert limited.stdout.split() == ["11", "9"]
    first = run(feature, command=python(source), host=host)
    assert first.stdout.split() == ["11", "39"]


def test_its_groups_are_the_roots_of_a_cgroup_namespace(place) -> None:
    feature = Cgroup(parent=place.parent, memory="64M", pids=20)
    command = ["unshare", "--cgroup", "cat", "/proc/self/cgroup"]
    inside = groups_inside(run(feature, command=command).stdout)
    assert {inside[label] for label in ("unified", place.label("memory"), place.label("pids"))} == {"/"}


def test_status_tells_limits_and_use(place, host: HostFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haconiwa_cgroup.usage.gather", lambda: host)
    device = block_device()
    number = Path("/sys/block", Path(device).name, "dev").read_text().strip()
    feature = Cgroup(parent=place.parent, memory="64M", pids=20, cpu=0.5, cpu_weight=100, io={device: Io(wiops=9)})
    with started(feature, host=host) as running:
        status: Any = usage_of(feature, INSTANCE)
        assert (status["memory"]["max"], status["pids"]["max"]) == (64 << 20, 20)
        assert status["pids"]["current"] == 1
        assert 0 < status["memory"]["current"] <= 64 << 20
        assert status["memory"]["oom_kill"] == 0
        assert status["cpu"]["nr_throttled"] >= 0
        assert (status["cpu"]["max"], status["cpu"]["weight"]) == (0.5, 100)
        assert status["io"][number]["max"]["wiops"] == 9
        assert status["frozen"] is False
        if host.cgroups[0].version == 2:
            assert set(status["pressure"]) == {"cpu", "io", "memory"}
            assert status["pressure"]["memory"]["some"]["total"] >= 0
            assert status["cpu"]["usage_usec"] > 0
        assert run_attached(running, feature, command=python(HOG), host=host).exit_status == 137
        again: Any = usage_of(feature, INSTANCE)
        assert again["memory"]["oom_kill"] == 1
    with pytest.raises(FileNotFoundError, match="there is no group"):
        usage_of(feature, INSTANCE)

"""Planning is pure: any options on any host give a plan or a definition error."""

from __future__ import annotations

from typing import Any

import pytest
from haconiwa_cgroup import Cgroup, Io, Limits
from haconiwa_cgroup.layout import CALLER
from hypothesis import example, given, settings, strategies as st

from haconiwa_core.facts import CgroupPlace, Counter, Namespace
from haconiwa_core.host import CgroupTree, HostFacts
from haconiwa_core.linux.constants import CLONE_INTO_CGROUP, CLONE_NEWPID
from haconiwa_core.planning.plan import Plan
from haconiwa_core.stages import Stage
from haconiwa_core.testing import (
    Executed,
    FakeKernel,
    functions,
    host,
    plan_of,
    planned_steps,
    problems_of,
    run_program,
)

V2 = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")
V1 = (("cpu", "cpuacct"), ("cpuset",), ("memory",), ("devices",), ("freezer",), ("blkio",), ("pids",), ("hugetlb",))


def unified(*controllers: str, own: str = "/", delegated: bool = False, mount: str = "/sys/fs/cgroup") -> CgroupTree:
    return CgroupTree(mount, 2, controllers, own, delegated)


def legacy(*controllers: str, own: str = "/") -> CgroupTree:
    return CgroupTree(f"/sys/fs/cgroup/{','.join(controllers)}", 1, controllers, own, delegated=False)


LEGACY = tuple(legacy(*names) for names in V1)
SYSTEMD = legacy("name=systemd")
HYBRID = (unified("hugetlb", mount="/sys/fs/cgroup/unified"), *LEGACY, SYSTEMD)
LAYOUTS = {
    "version 2": (unified(*V2),),
    "version 1": (*LEGACY, SYSTEMD),
    "hybrid": HYBRID,
    "few controllers": (unified("memory", "pids"),),
    "no controllers": (unified(),),
    "nothing": (),
    "named only": (SYSTEMD,),
}


def on(layout: str, **changes: Any) -> HostFacts:
    return host(cgroups=LAYOUTS[layout], **changes)


def arguments(plan: Plan, function: str) -> list[tuple[Any, ...]]:
    return [item.step.arguments for item in planned_steps(plan) if item.step.function.__name__ == function]


def bases(plan: Plan) -> list[str]:
    return [str(values[0]) for values in arguments(plan, "make_cgroup")]


def texts(*features: Cgroup, **fields: Any) -> dict[str, str]:
    return {problem.key: problem.text for problem in problems_of(*features, **fields)}


# Options and hosts.

SIZES = st.one_of(
    st.integers(-5, 2**64),
    st.sampled_from(["max", "1M", "0", "12G", "9" * 19 + "T", "x", "-1", "1.5G", "1 M", "m", ""]),
)
COUNTS = st.one_of(st.integers(-5, 2**64), st.sampled_from(["max", "5"]))
SETS = st.sampled_from(["0", "0-3", "3-1", "0,2-4", "", "a", "0-", "99999", "1,,2"])
DEVICES = st.sampled_from(["8:0", "/dev/sda", "sda", "/dev/a b", "8:", "8:0:0", ""])
LIMITS = {
    "memory": SIZES,
    "memory_high": SIZES,
    "swap": SIZES,
    "cpu": st.one_of(st.floats(), st.integers(-1, 10**6), st.sampled_from(["max", "1"])),
    "cpu_weight": st.integers(-5, 20_000),
    "cpuset": SETS,
    "cpuset_mems": SETS,
    "pids": COUNTS,
    "io": st.dictionaries(DEVICES, st.builds(Io, rbps=SIZES, wiops=COUNTS) | st.dictionaries(st.just("rbps"), SIZES)),
    "hugetlb": st.dictionaries(st.sampled_from(["2MB", "1GB", "64KB", "0MB", "2M", "x"]), SIZES),
}
OPTIONS = {
    **LIMITS,
    "devices": st.lists(st.sampled_from(["default", "c 1:3 rwm", "c 1:3", "/dev/fuse", "b *:* m", "a", "c 1:3 x", ""])),
    "exec": st.one_of(
        st.none(), st.fixed_dictionaries({}, optional=LIMITS).map(lambda given: Limits(**given)), st.just({})
    ),
    "name": st.sampled_from(["web", "", "a/b", "..", "cgroup.procs"]),
    "parent": st.sampled_from(["/a/b", "/", "", "a", "/..", "/a/../b", "/a\nb"]),
    "assign": st.lists(st.sampled_from(["/a", "memory:/a", "memory,pids:/b", "none:/a", ":/a", "/..", ""])),
    "raw": st.dictionaries(
        st.sampled_from(
            ["memory.oom.group", "cgroup.procs", "cgroup.max.depth", "rdma.max", "a/b", "x", "memory.../x"]
        ),
        st.sampled_from(["1", "", "a b", "a\nb"]),
    ),
    "controllers": st.dictionaries(
        st.sampled_from(["rdma", "memory", "", "none"]), st.dictionaries(st.sampled_from(["a", "max"]), st.integers())
    ),
}
USUAL = {
    "memory": st.sampled_from(["max", "64M", 1 << 30]),
    "swap": st.sampled_from(["max", "1G"]),
    "cpu": st.floats(0.01, 64),
    "cpu_weight": st.integers(1, 10_000),
    "cpuset": st.sampled_from(["0", "0-3,7"]),
    "pids": st.integers(1, 1000),
    "io": st.dictionaries(
        st.sampled_from(["8:0", "/dev/sda"]), st.builds(Io, rbps=st.integers(1, 1 << 40)), max_size=2
    ),
    "hugetlb": st.dictionaries(st.just("2MB"), st.sampled_from(["2M", 0, "max"])),
}
USUAL_OPTIONS = {
    **USUAL,
    "devices": st.lists(st.sampled_from(["default", "c 1:3 rwm", "/dev/fuse"])),
    "exec": st.fixed_dictionaries({}, optional=USUAL).map(lambda given: Limits(**given)),
    "name": st.just("web"),
    "parent": st.just("/a/b"),
    "raw": st.dictionaries(st.sampled_from(["memory.oom.group", "cgroup.max.depth"]), st.just("1")),
}
FEATURES = st.fixed_dictionaries({}, optional=OPTIONS).map(lambda given: Cgroup(**given))
FEATURES |= st.fixed_dictionaries({}, optional=USUAL_OPTIONS).map(lambda given: Cgroup(**given))
TREES = st.lists(
    st.one_of(
        st.builds(
            unified,
            *(st.sampled_from(V2) for _ in range(2)),
            own=st.sampled_from(["/", "/user.slice/a.scope", f"/a/{CALLER}", "/../b"]),
            delegated=st.booleans(),
        ),
        st.sampled_from([*LEGACY, SYSTEMD, legacy("memory", own="/x")]),
    ),
    max_size=5,
    unique_by=lambda tree: tree.mount,
).map(lambda trees: tuple(sorted(trees, key=lambda tree: -tree.version)))


@settings(max_examples=400)
@given(
    FEATURES,
    TREES | st.sampled_from(list(LAYOUTS.values())),
    st.sampled_from([0, 1000]),
    st.sampled_from(["start", "attach"]),
)
@example(Cgroup(cpu=float("nan")), LAYOUTS["version 2"], 0, "start")
@example(Cgroup(cpu=float("inf")), LAYOUTS["version 2"], 0, "start")
@example(Cgroup(exec={"pids": 3}), LAYOUTS["version 2"], 0, "start")
def test_there_is_a_plan_or_a_definition_error(feature: Cgroup, trees, uid: int, entry: Any) -> None:
    facts = host(cgroups=trees, uid=uid)
    problems = problems_of(feature, host=facts, entry=entry)
    assert all("\n" not in str(problem) and problem.section == "cgroup" for problem in problems)
    if problems:
        return
    plan = plan_of(feature, host=facts, entry=entry)
    place = plan.facts.get(CgroupPlace)
    assert (place is None) == (feature.assign is not None)
    for base in bases(plan):
        assert ".." not in base.split("/")
        assert any(base.startswith(tree.mount) for tree in trees)
    written = [str(values[0][0]) for name in ("write_limit", "write_exactly") for values in arguments(plan, name)]
    assert set(written) <= set(bases(plan))
    assert isinstance(outcome := run_program(plan, FakeKernel()), Executed), outcome


# What is used.


@pytest.mark.parametrize(
    ("layout", "files"),
    [
        ("version 2", ["memory.max 67108864", "cpu.max 50000 100000", "pids.max 64"]),
        (
            "version 1",
            ["cpu.cfs_period_us 100000", "cpu.cfs_quota_us 50000", "memory.limit_in_bytes 67108864", "pids.max 64"],
        ),
        (
            "hybrid",
            ["cpu.cfs_period_us 100000", "cpu.cfs_quota_us 50000", "memory.limit_in_bytes 67108864", "pids.max 64"],
        ),
    ],
)
def test_one_vocabulary_for_both_versions(layout: str, files: list[str]) -> None:
    plan = plan_of(Cgroup(memory="64M", cpu=0.5, pids=64), host=on(layout))
    written = [
        f"{item.step.arguments[0][-1]} {item.step.arguments[1]}"
        for item in planned_steps(plan, "cgroup")
        if item.step.function.__name__.startswith("write_")
    ]
    assert written == files


@pytest.mark.parametrize(("layout", "main"), [("version 2", True), ("version 1", False), ("hybrid", True)])
def test_where_all_of_it_is_killed(layout: str, main: bool) -> None:
    plan = plan_of(Cgroup(pids=5), host=on(layout))
    place = plan.facts.get(CgroupPlace)
    assert place is not None
    assert place.unified is main
    assert place.base == bases(plan)[-1]
    if not main:
        assert place.base == "/sys/fs/cgroup/freezer/haconiwa"
    assert functions(plan).count("open_cgroup") == main
    clones = [
        int(item.operations()[0].arguments[0].content[:8][::-1].hex(), 16)
        for item in plan.steps
        if item.step.function.__name__ == "clone"
    ]
    assert [bool(flags & CLONE_INTO_CGROUP) for flags in clones] == [main]


def test_each_hierarchy_once() -> None:
    plan = plan_of(Cgroup(cpu=1, cpu_weight=5, memory="1M", swap="1M"), host=on("hybrid"))
    assert bases(plan) == [
        "/sys/fs/cgroup/cpu,cpuacct/haconiwa",
        "/sys/fs/cgroup/memory/haconiwa",
        "/sys/fs/cgroup/unified/haconiwa",
    ]
    assert functions(plan).count("enter_group") == 2


def test_it_is_in_its_groups_before_it_is_anything_else() -> None:
    plan = plan_of(Cgroup(memory="1M"), host=on("hybrid"), facts=(Namespace("pid", CLONE_NEWPID),))
    (entered,) = (item for item in plan.steps if item.step.function.__name__ == "enter_group")
    assert entered.step.stage is Stage.SETTLE


@pytest.mark.parametrize(("layout", "leaf"), [("hybrid", "attached"), ("version 1", "attached")])
def test_what_is_attached_makes_nothing(layout: str, leaf: str) -> None:
    plan = plan_of(Cgroup(memory="1M", exec=Limits(pids=5)), host=on(layout), entry="attach")
    assert {"make_cgroup", "make_parents", "make_leaves", "write_limit"}.isdisjoint(functions(plan))
    assert {values[0][-1] for values in arguments(plan, "open_processes")} == {leaf}
    assert {values[-1] for values in arguments(plan, "open_cgroup")} <= {leaf}


@pytest.mark.parametrize(
    ("layout", "feature", "counters"),
    [
        ("version 2", Cgroup(memory="1M"), {"oom": ["memory.events"]}),
        ("version 2", Cgroup(memory="1M", exec=Limits(memory="1M")), {"oom": ["first/memory.events"]}),
        ("hybrid", Cgroup(memory="1M"), {"oom": ["first/memory.oom_control"]}),
        ("version 2", Cgroup(pids=5), {"pids": ["first/pids.events", "pids.events"]}),
        ("version 2", Cgroup(pids=5, exec=Limits(pids=1)), {"pids": ["first/pids.events"]}),
        ("hybrid", Cgroup(pids=5, memory="1M"), {"oom": ["first/memory.oom_control"], "pids": ["first/pids.events"]}),
        ("version 2", Cgroup(cpu=0.5), {}),
        ("version 2", Cgroup(assign=["/batch"]), {}),
    ],
)
def test_what_the_kernel_refuses_is_counted(layout: str, feature: Cgroup, counters: dict[str, list[str]]) -> None:
    found = list(plan_of(feature, host=on(layout)).facts.all(Counter))
    assert {item.reason: list(item.files) for item in found} == counters
    assert {item.reason: item.field for item in found}.items() <= {"oom": "oom_kill", "pids": "max"}.items()


# Where it lies.


@pytest.mark.parametrize(
    ("uid", "own", "delegated", "parent", "base"),
    [
        (0, "/", False, None, "/haconiwa"),
        (0, "/user.slice/a.scope", False, None, "/haconiwa"),
        (0, "/system.slice/run.scope", True, None, "/system.slice/run.scope/haconiwa"),
        (0, f"/system.slice/run.scope/{CALLER}", False, None, "/system.slice/run.scope/haconiwa"),
        (1000, "/user.slice/a.scope", False, None, "/user.slice/a.scope/haconiwa"),
        (1000, "/", False, None, "/haconiwa"),
        (0, "/user.slice/a.scope", False, "/batch/jobs", "/batch/jobs"),
    ],
)
def test_where_the_group_lies(uid: int, own: str, delegated: bool, parent: str | None, base: str) -> None:
    facts = host(cgroups=(unified(*V2, own=own, delegated=delegated),), uid=uid)
    plan = plan_of(Cgroup(memory="1M", parent=parent), host=facts)
    assert bases(plan) == [f"/sys/fs/cgroup{base}"]
    ((top, below, controllers, divided),) = arguments(plan, "make_parents")
    assert (below, controllers) == (f"/sys/fs/cgroup{base}", ("memory",))
    # Of a tree that others manage nothing is moved, and nothing changed above what is the caller's.
    if own.startswith(("/user", "/system")):
        assert (divided != "") is (top != "/sys/fs/cgroup")


def test_a_group_that_is_out_of_sight() -> None:
    facts = host(cgroups=(unified(*V2, own="/../other", delegated=True),))
    assert texts(Cgroup(), host=facts) == {"parent": "the caller's own group is not within what is mounted"}
    assert texts(Cgroup(parent="/here"), host=facts) == {}


# What this host cannot do.


@pytest.mark.parametrize(
    ("option", "value", "controller"),
    [
        ("memory", "1M", "memory"),
        ("memory_high", "1M", "memory"),
        ("swap", "1M", "memory"),
        ("cpu", 1, "cpu"),
        ("cpu_weight", 1, "cpu"),
        ("cpuset", "0", "cpuset"),
        ("cpuset_mems", "0", "cpuset"),
        ("pids", 1, "pids"),
        ("io", {"8:0": Io(rbps=1)}, "io"),
        ("hugetlb", {"2MB": 0}, "hugetlb"),
    ],
)
def test_a_controller_that_is_missing_is_named(option: str, value: object, controller: str) -> None:
    expected = f"this host has no controller {controller}"
    assert texts(Cgroup(**{option: value}), host=on("no controllers")) == {option: expected}
    inner = Cgroup(exec=Limits(**{option: value}))
    assert texts(inner, host=on("no controllers")) == {f"exec.{option}": expected}
    (problem,) = problems_of(Cgroup(**{option: value}), host=host(cgroups=(unified("misc"),)))
    assert problem.hint == "it has misc; see /proc/cgroups"


def test_devices_need_no_controller_in_version_2() -> None:
    plan = plan_of(Cgroup(devices=["default"]), host=on("no controllers"))
    assert functions(plan).count("attach_devices") == 1
    assert functions(plan_of(Cgroup(devices=["default"]), host=on("hybrid"))).count("write_devices") == 1
    alone = host(cgroups=(legacy("pids"),))
    assert texts(Cgroup(devices=["default"]), host=alone) == {"devices": "this host has no controller devices"}


@pytest.mark.parametrize("layout", ["nothing", "named only"])
def test_a_host_without_control_groups(layout: str) -> None:
    (problem,) = problems_of(Cgroup(), host=on(layout))
    assert problem.text == "no hierarchy of control groups is mounted here"
    assert problem.hint


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"memory_high": "1M"}, "memory_high"),
        ({"swap": "1M"}, "swap"),
        ({"swap": "1M", "memory": "max"}, "swap"),
    ],
)
def test_what_version_1_cannot_say(options: dict[str, Any], key: str) -> None:
    assert list(texts(Cgroup(**options), host=on("hybrid"))) == [key]
    assert texts(Cgroup(**options), host=on("version 2")) == {}
    assert list(texts(Cgroup(exec=Limits(**options)), host=on("hybrid"))) == [f"exec.{key}"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("cgroup.procs", "is nothing that limits"),
        ("cgroup.subtree_control", "is nothing that limits"),
        ("cgroup.kill", "is nothing that limits"),
        ("rdma.max", "this host has no controller rdma"),
    ],
)
def test_raw_files_that_are_refused(file: str, text: str) -> None:
    assert texts(Cgroup(raw={file: "1"})) == {f"raw.{file}": text}


def test_assign_stands_alone() -> None:
    feature = Cgroup(assign=["/batch"], memory="1M", name="web", exec=Limits(pids=1))
    assert set(texts(feature)) == {"memory", "name", "exec"}
    assert texts(Cgroup(assign=["/batch"]), host=on("version 1")) == {
        "assign[0]": "this host has no hierarchy of version 2"
    }
    assert texts(Cgroup(assign=["rdma:/a"])) == {"assign[0]": "this host has no controller rdma"}
    assert texts(Cgroup(assign=["/a", "/b"])) == {"assign[1]": "names a second group of unified"}
    plan = plan_of(Cgroup(assign=["memory,pids:/a", "/b"]), host=on("hybrid"))
    assert arguments(plan, "open_processes") == [
        (("/sys/fs/cgroup/memory/a",),),
        (("/sys/fs/cgroup/pids/a",),),
        (("/sys/fs/cgroup/unified/b",),),
    ]
    assert list(plan.undo_steps()) == []


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("memory", [-1, "64MB", "64m", "-1", "1.5G", "", "max ", True, 1.5, ["1M"], {}, 2**63, "9999999999T"]),
        ("memory_high", [-1, "big", True]),
        ("swap", [-1, "big", True]),
        ("cpu", [-1, "0.5", True, [], 10_001, "all"]),
        ("cpu_weight", [0, 10_001, "1", True, 1.5, "max"]),
        ("cpuset", ["", "a", "0-", "-1", "0 1", "0\n", 0, True, "123456"]),
        ("cpuset_mems", ["", "a", 0]),
        ("pids", [-1, "64", True, 1.5, "none", 2**63]),
        ("io", ["8:0", ["8:0"], {"sda": {}}, {"8:0": {"bps": 1}}, {"8:0": {"rbps": -1}}, {"8:0": 5}, {"/a b": {}}]),
        ("hugetlb", ["2MB", {"2M": 1}, {"2MB": -1}, {"0MB": 0}, {"2MB": "x"}]),
        ("devices", ["default", ["a"], ["c 1:3 x"], ["c 1"], ["c 1:3 rwmrwm"], ["dev/null"], [1], ["c 1:3\n"]]),
        ("exec", [1, "pids", {"pid": 1}, {"pids": -1}, {"devices": []}]),
        ("name", ["", "a/b", "..", ".", "-a", "a\n", 1, "a" * 129]),
        ("parent", ["", "/", "a", "/a/", "//a", "/a\n", "/..", "/a/../b", "/a/.", 1]),
        ("assign", ["/a", ["a"], ["Memory:/a"], [""], [1], ["memory:"], ["/a/.."]]),
        ("raw", ["a", {"a": "1"}, {"a/b.c": "1"}, {"../x.y": "1"}, {"memory.x": 1}, {"memory.x": ""}, {"a.b": "1\n2"}]),
        ("controllers", [1, {"rdma": 1}, {"rdma": {"a": []}}]),
    ],
)
def test_wrong_values(name: str, wrong: list[object]) -> None:
    for value in wrong:
        problems = problems_of(Cgroup(**{name: value}))
        assert len(problems) >= 1, value
        for problem in problems:
            assert (problem.section, problem.key.split(".")[0].split("[")[0]) == ("cgroup", name), value
            assert "must be" in problem.text or "unknown key" in problem.text, value
            assert "\n" not in str(problem)


@pytest.mark.parametrize(
    ("feature", "key", "text"),
    [
        (Cgroup(cpu=0.001), "cpu", "must be 0.01 to 10000 processors, not 0.001"),
        (Cgroup(cpu=float("nan")), "cpu", "must be 0.01 to 10000 processors, not nan"),
        (Cgroup(exec=Limits(cpu=0.0)), "exec.cpu", "must be 0.01 to 10000 processors, not 0.0"),
        (Cgroup(cpuset="3-1"), "cpuset", "3-1 ends before it begins"),
        (Cgroup(hugetlb={"2MB": "1M"}), "hugetlb.2MB", "must be a multiple of 2MB, not 1M"),
    ],
)
def test_values_of_the_right_form_that_are_wrong(feature: Cgroup, key: str, text: str) -> None:
    assert texts(feature) == {key: text}


def test_all_problems_at_once() -> None:
    feature = Cgroup(memory_high="1M", cpu=0.001, exec=Limits(cpuset="3-1"), raw={"rdma.max": "1"})
    assert set(texts(feature, host=on("hybrid"))) == {"memory_high", "cpu", "exec.cpuset", "raw.rdma.max"}

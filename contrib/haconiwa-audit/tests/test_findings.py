"""Findings from facts and steps alone, with no other plugin installed."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from haconiwa_audit.findings import CHECKS
from haconiwa_audit.plugin import haconiwa_findings
from hypothesis import given, settings, strategies as st

from haconiwa_core import linux
from haconiwa_core.facts import (
    CapabilitySets,
    CgroupPlace,
    Fact,
    FreshFilesystem,
    IdMap,
    IdRange,
    Namespace,
    NewRoot,
    NoNewPrivileges,
    key_of,
)
from haconiwa_core.feature import Feature
from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import CloneFlag
from haconiwa_core.linux.mounts import ROOT
from haconiwa_core.linux.vocabulary import Operations, lowers
from haconiwa_core.operation import Data, Operation, Slot
from haconiwa_core.planning.plan import Plan, PlannedStep
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_core.testing import host, plan_of

KINDS = {
    "cgroup": CloneFlag.CLONE_NEWCGROUP,
    "ipc": CloneFlag.CLONE_NEWIPC,
    "mnt": CloneFlag.CLONE_NEWNS,
    "net": CloneFlag.CLONE_NEWNET,
    "pid": CloneFlag.CLONE_NEWPID,
    "user": CloneFlag.CLONE_NEWUSER,
    "uts": CloneFlag.CLONE_NEWUTS,
}
SAFE_ROOT = c.MOUNT_ATTR_NOSUID | c.MOUNT_ATTR_NODEV
ALL = (2 << 40) - 1
CODES = {check.finding.code for check in CHECKS}
LOADED = b"".join(struct.pack("=HBBI", *item) for item in ((0x06, 0, 0, 0x00050001),))
"""A filter that denies everything."""


def new(kind: str, joined: bool = False) -> Namespace:
    return Namespace(kind, KINDS[kind], joined)


def mapped(outside: int) -> IdMap:
    ids = (IdRange(0, outside, 1000),)
    return IdMap(ids, ids)


@lowers
def load(content: bytes) -> Operations:
    """Load a filter as any plugin would."""
    yield Operation(Call.seccomp, (1, 0, Data(struct.pack("HxxxxxxQ", len(content) // 8, 0), ((8, content),))))


@lowers
def raise_ambient(number: int) -> Operations:
    """Give a user other than 0 a capability."""
    yield Operation(Call.prctl, (c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_RAISE, number, 0, 0))


PIVOTED = (
    Step(Stage.MOUNTS, linux.open_tree, "/srv", True, SAFE_ROOT | c.MOUNT_ATTR_RDONLY, into=ROOT),
    Step(Stage.ROOT, linux.pivot_root, ROOT),
)
CHROOTED = (Step(Stage.ROOT, linux.change_root, ROOT),)
FILTERED = Step(Stage.CONFINE, load, LOADED)
ORDINARY = Step(Stage.CREDENTIALS, linux.set_uid, 1000)
MASKS = tuple(Step(Stage.MOUNTS, linux.mask, f"/proc/{name}") for name in ("kcore", "keys", "timer_list"))
READ_ONLY = Step(Stage.MOUNTS, linux.make_path_read_only, "/proc/sys")


@dataclass(frozen=True, kw_only=True)
class Group(Feature):
    """Stands for what limits a container's groups."""

    section: ClassVar[str] = "cgroup"
    stages: ClassVar[tuple[Stage, ...]] = ()

    pids: int | str | None = None
    memory: int | str | None = None
    devices: tuple[str, ...] | None = None


def planned(
    facts: Iterable[Fact] = (), steps: Iterable[Step] = (), group: Feature | None = None, **fields: object
) -> Plan:
    """Return the plan of a container whose features publish facts and ask for steps."""
    plan = plan_of(facts=tuple(facts), **fields)
    own = tuple(PlannedStep("test", step) for step in steps)
    container = plan.container + group if group else plan.container
    return replace(plan, steps=(*plan.steps, *own), container=container)


def found(*arguments: object, **fields: object) -> set[str]:
    return {finding.code for finding in haconiwa_findings(planned(*arguments, **fields))}


BARE = found()
"""What is found in a container without any feature, started by root."""


def test_a_bare_container() -> None:
    lasting = {"CHROOT-ESCAPE", "ROOT-OVER-ROOT", "READ-ANY-FILE", "SETUID-NO-NNP", "CGROUP1-USERNS"}
    assert CODES - lasting == BARE


def test_nothing_is_found_where_all_is_closed() -> None:
    facts = [new(kind) for kind in KINDS]
    facts += [mapped(100000), NewRoot("/srv"), FreshFilesystem("proc", "/proc", "pid"), NoNewPrivileges("test")]
    facts += [CapabilitySets(0, 0)]
    group = Group(pids=64, memory=1 << 20, devices=())
    assert found(facts, (*PIVOTED, *MASKS, READ_ONLY, FILTERED), group) == set()


def named(value: object) -> str:
    return value if isinstance(value, str) else ""


NO_CAPABILITIES = CapabilitySets(0, 0)
USER = (new("user"), mapped(100000))
CLOSES: list[tuple[str, list[Fact], list[Step], Group | None]] = [
    ("HOST-ROOT", [NewRoot("/srv")], [*CHROOTED], None),
    ("HOST-ROOT", [new("mnt", joined=True)], [], None),
    ("DEVICES", [NO_CAPABILITIES], [], None),
    ("DEVICES", [*USER], [], None),
    ("DEVICES", [], [], Group(devices=())),
    ("DEVICES", [], [FILTERED], None),
    ("DEVICES", [CapabilitySets(1 << 27, 1 << 27), NewRoot("/srv"), new("mnt")], [*PIVOTED], None),
    ("HOST-PID", [new("pid")], [], None),
    ("HOST-PID-PTRACE", [new("pid")], [], None),
    ("HOST-PID-PTRACE", [NO_CAPABILITIES], [], None),
    ("HOST-PID-PTRACE", [*USER], [], None),
    ("HOST-PID-PTRACE", [], [FILTERED], None),
    ("HOST-NETWORK", [new("net")], [], None),
    ("HOST-IPC", [new("ipc")], [], None),
    ("HOST-UTS", [new("uts")], [], None),
    ("HOST-UTS", [NO_CAPABILITIES], [], None),
    ("HOST-MOUNTS", [new("mnt")], [], None),
    ("HOST-MOUNTS", [*USER], [], None),
    ("HOST-KEYS", [*USER], [], None),
    ("HOST-KEYS", [], [FILTERED], None),
    ("ROOT-ON-HOST", [*USER], [], None),
    ("ROOT-ON-HOST", [], [ORDINARY], None),
    ("ADMIN-NO-SECCOMP", [NO_CAPABILITIES], [], None),
    ("ADMIN-NO-SECCOMP", [*USER], [], None),
    ("ADMIN-NO-SECCOMP", [], [ORDINARY], None),
    ("ADMIN-NO-SECCOMP", [], [FILTERED], None),
    ("HOST-CAPABILITIES", [NO_CAPABILITIES], [], None),
    ("HOST-CAPABILITIES", [*USER], [], None),
    ("HOST-CAPABILITIES", [], [ORDINARY], None),
    ("NEW-USER-NAMESPACE", [], [FILTERED], None),
    ("NEW-USER-NAMESPACE", [NewRoot("/srv")], [*CHROOTED], None),
    ("PROC-WRITABLE", [new("mnt")], [READ_ONLY], None),
    ("PROC-WRITABLE", [*USER], [], None),
    ("PROC-WRITABLE", [], [ORDINARY], None),
    ("PROC-WRITABLE", [NewRoot("/srv")], [*CHROOTED], None),
    ("PROC-UNMASKED", [new("mnt")], [*MASKS], None),
    ("PROC-UNMASKED", [NewRoot("/srv")], [*CHROOTED], None),
    ("TERMINAL-INPUT", [NO_CAPABILITIES], [], None),
    ("TERMINAL-INPUT", [], [FILTERED], None),
    ("NO-PIDS-LIMIT", [], [], Group(pids=64)),
    ("NO-MEMORY-LIMIT", [], [], Group(memory="64M")),
]


@pytest.mark.parametrize(("code", "facts", "steps", "group"), CLOSES, ids=named)
def test_what_closes_a_finding(code: str, facts: list[Fact], steps: list[Step], group: Group | None) -> None:
    assert code in BARE
    assert code not in found(facts, steps, group)


OPENS: list[tuple[str, list[Fact], list[Step], Group | None]] = [
    ("CHROOT-ESCAPE", [NewRoot("/srv")], [*CHROOTED], None),
    ("CHROOT-ESCAPE", [NewRoot("/srv"), *USER], [*CHROOTED], None),
    ("CHROOT-ESCAPE", [NewRoot("/srv"), new("mnt", joined=True)], [*CHROOTED], None),
    ("ROOT-OVER-ROOT", [NewRoot("/srv"), new("mnt")], [*CHROOTED], None),
    ("ROOT-OVER-ROOT", [NewRoot("/srv"), new("mnt"), *USER], [*CHROOTED], None),
    ("READ-ANY-FILE", [NewRoot("/srv"), new("mnt")], [*PIVOTED], None),
    ("SETUID-NO-NNP", [], [ORDINARY], None),
    ("SETUID-NO-NNP", [NewRoot("/srv")], [*CHROOTED, ORDINARY], None),
    ("ROOT-ON-HOST", [new("user"), mapped(0)], [], None),
    ("ADMIN-NO-SECCOMP", [], [ORDINARY, Step(Stage.CAPABILITIES, raise_ambient, c.CAP_SYS_ADMIN)], None),
    ("DEVICES", [CapabilitySets(1 << 27, 1 << 27), NewRoot("/srv")], [*CHROOTED], None),
    ("PROC-WRITABLE", [NewRoot("/srv"), FreshFilesystem("proc", "/mnt", "pid")], [*CHROOTED, READ_ONLY], None),
    ("NO-PIDS-LIMIT", [CgroupPlace("/sys/fs/cgroup", Slot("name"), True)], [], Group(memory=1)),
    ("NO-PIDS-LIMIT", [], [], Group(pids="max")),
]


@pytest.mark.parametrize(("code", "facts", "steps", "group"), OPENS, ids=named)
def test_what_opens_a_finding(code: str, facts: list[Fact], steps: list[Step], group: Group | None) -> None:
    assert code in found(facts, steps, group)


@pytest.mark.parametrize("attribute", [c.MOUNT_ATTR_NOSUID, c.MOUNT_ATTR_NODEV])
@pytest.mark.parametrize(
    "step",
    [
        Step(Stage.MOUNTS, linux.open_tree, "/usr", True, c.MountAttribute(0), into=Slot("bind")),
        Step(Stage.MOUNTS, linux.make_filesystem, "overlay", (), c.MountAttribute(0), into=Slot("overlay")),
        Step(Stage.MOUNTS, linux.set_tree_attributes, ROOT, c.MountAttribute(0), SAFE_ROOT | c.MOUNT_ATTR_RDONLY),
    ],
    ids=["bind", "overlay", "root"],
)
def test_a_mount_that_keeps_what_the_root_does_not(step: Step, attribute: c.MountAttribute) -> None:
    facts = [NewRoot("/srv"), new("mnt")]
    user, code = ([ORDINARY], "SETUID-NO-NNP") if attribute == c.MOUNT_ATTR_NOSUID else ([], "DEVICES")
    only = facts if user else [*facts, CapabilitySets(1 << 27, 1 << 27)]
    assert code not in found(only, [*PIVOTED, *user])
    assert code in found(only, [*PIVOTED, step, *user])


def test_a_host_without_version_1() -> None:
    tree = host().cgroups[0]
    assert "CGROUP1-USERNS" not in found(host=host(cgroups=(tree,)))
    assert "CGROUP1-USERNS" in found(host=host(cgroups=(tree, tree._replace(version=1, mount="/v1"))))
    assert "CGROUP1-USERNS" not in found([], [FILTERED], host=host(cgroups=(tree._replace(version=1),)))


def test_an_ordinary_user_has_nothing_over_the_host() -> None:
    alice = found(host=host(uid=1000, gid=1000, capabilities=0))
    assert alice == {
        *("HOST-ROOT", "HOST-PID", "HOST-NETWORK", "HOST-IPC", "HOST-KEYS", "SETUID-NO-NNP", "NEW-USER-NAMESPACE"),
        *("NO-PIDS-LIMIT", "NO-MEMORY-LIMIT"),
    }


@pytest.mark.parametrize("stream", ["null", "log", "host:/tmp/output"])
def test_streams_that_are_no_terminal(stream: str) -> None:
    instead = {"stdin": "null", "stdout": stream, "stderr": stream}
    assert "TERMINAL-INPUT" not in found(**instead)
    assert "TERMINAL-INPUT" in found(**{**instead, "stderr": "inherit"})


def test_a_terminal_of_its_own() -> None:
    assert "TERMINAL-INPUT" in found()
    assert "TERMINAL-INPUT" not in found(terminal=True)


FACTS = st.one_of(
    st.builds(new, st.sampled_from(sorted(set(KINDS) - {"user"})), st.booleans()),
    st.just(NewRoot("/srv")),
    st.builds(CapabilitySets, st.integers(0, ALL), st.integers(0, ALL)),
    st.just(NoNewPrivileges("test")),
    st.builds(FreshFilesystem, st.sampled_from(["proc", "tmpfs"]), st.sampled_from(["/proc", "/mnt"]), st.just("")),
)
USERS = st.one_of(
    st.just(()),
    st.just((new("user", joined=True),)),
    st.integers(0, 5).map(lambda outside: (new("user"), mapped(outside))),
)
STEPS = st.one_of(
    st.sampled_from([*PIVOTED, *CHROOTED, READ_ONLY, *MASKS]),
    st.builds(lambda uid: Step(Stage.CREDENTIALS, linux.set_uid, uid), st.integers(0, 2**32 - 2)),
    st.builds(lambda content: Step(Stage.CONFINE, load, content), st.binary(max_size=64)),
    st.builds(lambda number: Step(Stage.CAPABILITIES, raise_ambient, number), st.integers(0, 40)),
)
HOSTS = st.builds(
    lambda root, capabilities: host(uid=0 if root else 1000, gid=0, capabilities=capabilities | 1 << c.CAP_SYS_ADMIN),
    st.booleans(),
    st.integers(0, ALL),
)


@settings(deadline=None)
@given(st.lists(FACTS, unique_by=lambda fact: (type(fact), key_of(fact))), USERS, st.lists(STEPS, max_size=6), HOSTS)
def test_any_plan_can_be_audited(facts: list[Fact], user: tuple[Fact, ...], steps: list[Step], machine) -> None:
    assert found([*facts, *user], steps, host=machine) <= CODES
    # A filter that denies all of it, and no capabilities, can only take findings away.
    less = [fact for fact in facts if not isinstance(fact, CapabilitySets)]
    stricter = found([*less, *user, CapabilitySets(0, 0)], [*steps, FILTERED], host=machine)
    assert stricter <= found([*facts, *user], steps, host=machine)

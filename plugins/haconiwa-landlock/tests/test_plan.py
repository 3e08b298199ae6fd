import ctypes
import errno
import typing
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest
from haconiwa_landlock import Access, Landlock, Rule, Scope
from haconiwa_landlock.kernel import allow_path
from haconiwa_landlock.plugin import haconiwa_check
from hypothesis import given, settings, strategies as st

from haconiwa_core.facts import CapabilitySets, Fact, Namespace, NoNewPrivileges, Wrapper
from haconiwa_core.linux import set_uid
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import CAP_SYS_ADMIN, CLONE_NEWUSER
from haconiwa_core.operation import Data, Slot
from haconiwa_core.planning.plan import Plan, PlannedStep
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_core.testing import Failed, FakeKernel, functions, host, plan_of, planned_steps, problems_of, run_program

RIGHTS = typing.get_args(Access)
SCOPES = typing.get_args(Scope)
GRANTED_BY_NO_LIST = {"make_char", "make_block", "ioctl_dev"}
ALICE = host(uid=1000, gid=1000, capabilities=0)
ALL = {"read": ["/"], "execute": ["/"], "write": ["/"]}


class RulesetAttributes(ctypes.Structure):
    """struct landlock_ruleset_attr of <linux/landlock.h>."""

    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class PathBeneathAttributes(ctypes.Structure):
    """struct landlock_path_beneath_attr of <linux/landlock.h>."""

    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


class NetPortAttributes(ctypes.Structure):
    """struct landlock_net_port_attr of <linux/landlock.h>."""

    _fields_ = (("allowed_access", ctypes.c_uint64), ("port", ctypes.c_uint64))


FILE_BITS = {
    "execute": 0x1,
    "write_file": 0x2,
    "read_file": 0x4,
    "read_dir": 0x8,
    "remove_dir": 0x10,
    "remove_file": 0x20,
    "make_char": 0x40,
    "make_dir": 0x80,
    "make_reg": 0x100,
    "make_sock": 0x200,
    "make_fifo": 0x400,
    "make_block": 0x800,
    "make_sym": 0x1000,
    "refer": 0x2000,
    "truncate": 0x4000,
    "ioctl_dev": 0x8000,
}
"""LANDLOCK_ACCESS_FS_* of <linux/landlock.h>."""
PORT_BITS = {"bind_tcp": 0x1, "connect_tcp": 0x2}
SCOPE_BITS = {"abstract_unix_socket": 0x1, "signal": 0x2}
ON_FILES = {"execute", "write_file", "read_file", "truncate", "ioctl_dev"}

SUBSETS = st.sets(st.sampled_from(RIGHTS))
PATHS = st.sampled_from(["/", "/etc", "/etc/passwd", "/tmp", "/dev/null", "/bin"])
PORTS = st.none() | st.lists(st.integers(0, 65535), max_size=4)
LISTS = st.none() | st.lists(PATHS, max_size=3)
RULES = st.builds(Rule, PATHS, SUBSETS.map(tuple))
FEATURES = st.builds(
    Landlock,
    read=LISTS,
    write=LISTS,
    execute=LISTS,
    rules=st.none() | st.lists(RULES, max_size=3).map(tuple),
    unrestricted=SUBSETS.map(tuple),
    bind_tcp=PORTS,
    connect_tcp=PORTS,
    scope=st.lists(st.sampled_from(SCOPES), max_size=3),
)


def bits(names: Collection[str], table: dict[str, int]) -> int:
    return sum(table[name] for name in set(names))


def calls(plan: Plan, call: Call) -> list[tuple[Any, ...]]:
    planned = planned_steps(plan, "landlock")
    return [item.arguments for step in planned for item in step.operations() if item.call is call]


def restricted(feature: Landlock) -> set[str]:
    """Return the rights that a section without problems denies, as its README has it."""
    given = [feature.read, feature.write, feature.execute, feature.rules]
    return set(RIGHTS) - set(feature.unrestricted) if any(each is not None for each in given) else set()


def granted(feature: Landlock) -> dict[str, set[str]]:
    """Return what a section grants by path, as its README has it."""
    lists = {
        "read": {"read_file", "read_dir"},
        "execute": {"execute", "read_file"},
        "write": set(RIGHTS) - {"read_file", "read_dir", "execute"} - GRANTED_BY_NO_LIST,
    }
    found: dict[str, set[str]] = {}
    for name, rights in lists.items():
        for path in getattr(feature, name) or ():
            found.setdefault(path, set()).update(rights)
    for rule in feature.rules or ():
        found.setdefault(rule.path, set()).update(rule.access)
    return found


def test_names_are_the_kernels() -> None:
    assert (set(RIGHTS), set(SCOPES)) == (set(FILE_BITS), set(SCOPE_BITS))


@settings(deadline=None, max_examples=300)
@given(FEATURES)
def test_planning_gives_the_kernels_structures_or_problems(feature: Landlock) -> None:
    if problems_of(feature):
        return
    plan = plan_of(feature)
    denied = restricted(feature)
    ports = {name: getattr(feature, name) for name in PORT_BITS if getattr(feature, name) is not None}
    ((attributes, size, flags),) = calls(plan, Call.landlock_create_ruleset)
    expected = RulesetAttributes(bits(denied, FILE_BITS), bits(ports, PORT_BITS), bits(feature.scope, SCOPE_BITS))
    assert (attributes, size, flags) == (bytes(expected), ctypes.sizeof(expected), 0)
    on_files = {"/etc/passwd", "/dev/null"}
    wanted = {
        path: bits(rights & denied & (ON_FILES if path in on_files else set(RIGHTS)), FILE_BITS)
        for path, rights in granted(feature).items()
    }
    kernel = FakeKernel()
    outcome = run_program(plan, kernel)
    if not all(wanted.values()):
        assert isinstance(outcome, Failed)
        assert (outcome.planned.step.function, outcome.code) == (allow_path, errno.ENOTDIR)
        return
    (ruleset,) = kernel.domains
    assert ruleset.paths == wanted
    used = {port for listed in ports.values() for port in listed}
    assert ruleset.ports == {port: bits([name for name in ports if port in ports[name]], PORT_BITS) for port in used}


@given(SUBSETS.filter(bool))
def test_a_rule_is_the_kernels_structure(rights: set[str]) -> None:
    plan = plan_of(Landlock(rules=[Rule("/etc", tuple(rights))]))
    rules = calls(plan, Call.landlock_add_rule)
    expected = [rights, rights & ON_FILES] if rights & ON_FILES else [rights]
    assert len(rules) == len(expected)
    for (_, kind, data, flags), part in zip(rules, expected, strict=True):
        assert isinstance(data, Data)
        size = ctypes.sizeof(PathBeneathAttributes)
        assert (kind, data.content[:size], flags) == (1, bytes(PathBeneathAttributes(bits(part, FILE_BITS), 0)), 0)
        # A slot is written 8 wide: it must fit into what is handed over.
        assert [offset for offset, _ in data.relocations] == [PathBeneathAttributes.parent_fd.offset]
        assert len(data.content) >= PathBeneathAttributes.parent_fd.offset + 8


@given(st.integers(0, 65535))
def test_a_port_is_the_kernels_structure(port: int) -> None:
    plan = plan_of(Landlock(bind_tcp=[port], connect_tcp=[port]))
    ((_, kind, attributes, flags),) = calls(plan, Call.landlock_add_rule)
    assert (kind, attributes, flags) == (2, bytes(NetPortAttributes(3, port)), 0)


@settings(deadline=None)
@given(FEATURES, st.integers(0, 7))
def test_nothing_is_asked_of_a_kernel_that_lacks_it(feature: Landlock, version: int) -> None:
    if problems_of(feature, host=host(landlock=version)):
        return
    plan = plan_of(feature, host=host(landlock=version))
    ((attributes, _, _),) = calls(plan, Call.landlock_create_ruleset)
    asked = RulesetAttributes.from_buffer_copy(attributes)
    known = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF}.get(version, 0xFFFF)
    assert version > 0
    assert not asked.handled_access_fs & ~known
    assert not asked.handled_access_net or version >= 4
    assert not asked.scoped or version >= 6
    # What is not denied is what the section leaves out, and REFER, which the first version always denies.
    assert asked.handled_access_fs | (0x2000 if version == 1 else 0) == (
        bits(restricted(feature), FILE_BITS) | (0x2000 if version == 1 else 0)
    )


@pytest.mark.parametrize(
    ("options", "version", "problems"),
    [
        ({"read": ["/"]}, 0, [""]),
        ({"read": ["/"]}, 1, ["unrestricted", "unrestricted"]),
        ({"read": ["/"]}, 2, ["unrestricted", "unrestricted"]),
        ({"read": ["/"]}, 3, ["unrestricted"]),
        ({"read": ["/"]}, 5, []),
        ({"read": ["/"], "unrestricted": ["ioctl_dev"]}, 2, ["unrestricted"]),
        ({"read": ["/"], "unrestricted": ["ioctl_dev", "truncate"]}, 1, []),
        ({"write": ["/"], "unrestricted": ["ioctl_dev", "truncate"]}, 1, ["write"]),
        ({"rules": [Rule("/", ["refer"])], "unrestricted": ["ioctl_dev", "truncate"]}, 1, ["rules[0]", "rules[0]"]),
        ({"bind_tcp": []}, 3, ["bind_tcp"]),
        ({"connect_tcp": [1]}, 3, ["connect_tcp"]),
        ({"bind_tcp": [], "connect_tcp": [1]}, 4, []),
        ({"scope": ["signal"]}, 5, ["scope"]),
        ({"scope": ["signal"]}, 6, []),
    ],
)
def test_an_older_kernel(options: dict[str, Any], version: int, problems: list[str]) -> None:
    found = problems_of(Landlock(**options), host=host(landlock=version, kernel="5.19"))
    assert [problem.key for problem in found] == problems
    assert all("5.19" in problem.text for problem in found if "nothing is granted" not in problem.text)


def test_an_older_kernel_is_told_the_version_and_what_to_do() -> None:
    truncate, ioctl = problems_of(Landlock(read=["/"]), host=host(landlock=2, kernel="6.1"))
    assert truncate.text == "denying truncate needs version 3 of Landlock, and the kernel 6.1 has 2"
    assert truncate.hint == 'add "truncate" to allow it everywhere'
    assert "version 5" in ioctl.text
    (absent,) = problems_of(Landlock(read=["/"]), host=host(landlock=0))
    assert "has no Landlock" in absent.text


@pytest.mark.parametrize(
    ("options", "key", "text"),
    [
        ({}, "", "nothing is restricted"),
        ({"scope": []}, "", "nothing is restricted"),
        ({"unrestricted": ["execute"]}, "unrestricted", "no access to files is restricted"),
        ({"connect_tcp": [], "unrestricted": ["execute"]}, "unrestricted", "no access to files is restricted"),
        ({"read": ["/"], "unrestricted": ["refer"]}, "unrestricted", "refer is always denied"),
        ({"read": ["/"], "unrestricted": ["read_file", "read_dir"]}, "read", "of / nothing is granted"),
        ({"rules": [Rule("/a", ["execute"]), Rule("/b", [])]}, "rules[1]", "of /b nothing is granted"),
        ({"rules": [Rule("/a", ["truncate"])], "unrestricted": ["truncate"]}, "rules[0]", "of /a nothing is granted"),
    ],
)
def test_what_says_nothing_is_refused(options: dict[str, Any], key: str, text: str) -> None:
    (problem,) = problems_of(Landlock(**options))
    assert problem.key == key
    assert problem.text.startswith(text)


@pytest.mark.parametrize("name", ["read", "write", "execute"])
@pytest.mark.parametrize("value", ["/", ["usr"], [""], ["./x"], ["/a\0b"], [1], [None], 1, True, {"/": 1}, [["/"]]])
def test_wrong_paths(name: str, value: object) -> None:
    (problem,) = problems_of(Landlock(**{name: value}))
    assert (problem.section, problem.key.split("[")[0]) == ("landlock", name)
    assert "must be" in problem.text


@pytest.mark.parametrize("name", ["bind_tcp", "connect_tcp"])
@pytest.mark.parametrize("value", [80, "80", ["80"], [-1], [65536], [1.5], [True], [None], {"80": 1}])
def test_wrong_ports(name: str, value: object) -> None:
    (problem,) = problems_of(Landlock(**{name: value}))
    assert (problem.section, problem.key.split("[")[0]) == ("landlock", name)
    assert "must be" in problem.text


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"rules": [Rule("etc", ["execute"])]}, "rules[0].path"),
        ({"rules": [Rule("/etc", ["exec"])]}, "rules[0].access[0]"),
        ({"rules": [Rule("/etc", "execute")]}, "rules[0].access"),
        ({"rules": [Rule("/etc", [1])]}, "rules[0].access[0]"),
        ({"rules": ["/etc"]}, "rules[0]"),
        ({"rules": [{"path": "/etc"}]}, "rules[0].access"),
        ({"rules": Rule("/etc", [])}, "rules"),
        ({"unrestricted": ["EXECUTE"]}, "unrestricted[0]"),
        ({"unrestricted": "execute"}, "unrestricted"),
        ({"scope": ["signals"]}, "scope[0]"),
        ({"scope": "signal"}, "scope"),
        ({"scope": None}, "scope"),
    ],
)
def test_wrong_names(options: dict[str, object], key: str) -> None:
    (problem,) = problems_of(Landlock(**{**ALL, **options}))
    assert (problem.section, problem.key) == ("landlock", key)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"rules": [Rule("/", ["exec"])]}, "execute"),
        ({"rules": [Rule("/", ["ioctl"])]}, "ioctl_dev"),
        ({"scope": ["signals"]}, "signal"),
    ],
)
def test_an_unknown_name_is_told_the_nearest(options: dict[str, object], hint: str) -> None:
    (problem,) = problems_of(Landlock(**options))
    assert problem.hint == f'did you mean "{hint}"?'


def test_the_ruleset_is_closed_before_the_command() -> None:
    kernel = FakeKernel()
    run_program(plan_of(Landlock(**ALL, rules=[Rule("/etc/passwd", ["execute"])])), kernel)
    assert sorted(kernel.descriptors) == [0, 1, 2]


def test_the_rules_come_between_the_ruleset_and_its_force() -> None:
    names = functions(plan_of(Landlock(read=["/a", "/b"], connect_tcp=[1])), "landlock")
    assert names == ["create_ruleset", "allow_path", "allow_path", "allow_port", "restrict_self"]


def test_a_program_of_the_host_that_starts_the_command_may_be_executed() -> None:
    facts = (Wrapper(Slot("stdin"), ("init",)),)
    assert "allow_open_file" in functions(plan_of(Landlock(read=["/"]), facts=facts), "landlock")
    assert "allow_open_file" not in functions(plan_of(Landlock(connect_tcp=[]), facts=facts), "landlock")
    free = Landlock(read=["/"], unrestricted=["execute", "read_file"])
    assert "allow_open_file" not in functions(plan_of(free, facts=facts), "landlock")


NOT_PERMITTED = "needs no_new_privs or CAP_SYS_ADMIN, and the container's user has neither"
NNP = NoNewPrivileges("no-new-privs")
USER = Namespace("user", CLONE_NEWUSER)


@pytest.mark.parametrize(
    ("facts", "caller", "permitted"),
    [
        ((), host(), True),
        ((), ALICE, False),
        ((), host(capabilities=host().capabilities & ~(1 << CAP_SYS_ADMIN)), False),
        ((NNP,), ALICE, True),
        ((USER,), ALICE, True),
        ((CapabilitySets(0, 0),), host(), False),
        ((CapabilitySets(0, 1 << CAP_SYS_ADMIN),), host(), True),
        ((CapabilitySets(0, 0), USER), ALICE, False),
        ((CapabilitySets(0, 0), NNP), host(), True),
    ],
)
def test_who_may_restrict_itself(facts: tuple[Fact, ...], caller: Any, permitted: bool) -> None:
    found = problems_of(Landlock(read=["/"]), facts=facts, host=caller)
    assert [problem.text for problem in found] == ([] if permitted else [NOT_PERMITTED])
    assert all(problem.hint == "add no-new-privs" for problem in found)


@pytest.mark.parametrize(
    ("uid", "facts", "permitted"),
    [
        (0, (), True),
        (1000, (), False),
        (1000, (USER,), False),
        (1000, (NNP,), True),
        (1000, (CapabilitySets(0, 1 << CAP_SYS_ADMIN),), True),
    ],
)
def test_another_user_keeps_no_capability(uid: int, facts: tuple[Fact, ...], permitted: bool) -> None:
    plan = plan_of(Landlock(read=["/"]), facts=facts)
    step = PlannedStep("another", Step(Stage.CREDENTIALS, set_uid, uid))
    found = list(haconiwa_check(replace(plan, steps=(*plan.steps, step))))
    assert [problem.text for problem in found] == ([] if permitted else [NOT_PERMITTED])


def test_an_attached_process_is_restricted_as_well() -> None:
    started, attached = (plan_of(Landlock(**ALL), entry=entry) for entry in ("start", "attach"))
    assert functions(started, "landlock") == functions(attached, "landlock")
    assert {planned.step.stage for planned in planned_steps(attached, "landlock")} == {Stage.CONFINE}

from dataclasses import fields
from itertools import combinations

import prctl
import pytest
from haconiwa_capabilities import Capabilities
from haconiwa_capabilities.names import Capability
from hypothesis import given, strategies as st

from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.facts import CapabilitySets, Namespace
from haconiwa_core.feature import Feature
from haconiwa_core.host import HostFacts
from haconiwa_core.linux.constants import CLONE_NEWUSER
from haconiwa_core.planning.planner import plan
from haconiwa_core.testing import (
    Executed,
    FakeKernel,
    all_plugins,
    host,
    plan_of,
    planned_steps,
    problems_of,
    run_program,
)
from haconiwa_core.testing.plans import container_of

DEFAULT = (
    *("chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "net_bind_service"),
    *("net_raw", "sys_chroot", "mknod", "audit_write", "setfcap"),
)
LISTS = ("keep", "add", "drop", "ambient", "inheritable")
NAMES = sorted(Capability.__members__)
USER_NAMESPACE = (Namespace("user", CLONE_NEWUSER),)


def bits(*names: str) -> int:
    return sum(1 << Capability[f"CAP_{name.upper()}"] for name in names)


def bounding(feature: Capabilities, **fields: object) -> int:
    kernel = FakeKernel()
    assert isinstance(run_program(plan_of(feature, **fields), kernel), Executed)
    return kernel.bounding


def host_without(*names: str) -> HostFacts:
    return host(capabilities=host().capabilities & ~bits(*names))


# Names.


def test_numbers_are_those_of_the_headers() -> None:
    """As python-prctl was built with them; it names the newest wrongly."""
    known = {name.upper(): getattr(prctl, f"CAP_{name.upper()}") for name in prctl.ALL_CAP_NAMES if name != "last_cap"}
    own = {name.removeprefix("CAP_"): number for name, number in Capability.__members__.items()}
    assert {name: own.get(name) for name in known} == known
    assert sorted(own.values()) == list(range(len(own)))


@pytest.mark.parametrize("name", ["CAP_NET_RAW", "cap_net_raw", "net_raw", "NET_RAW", "Net_Raw", "Cap_nET_raw"])
def test_forms_of_a_name(name: str) -> None:
    assert bounding(Capabilities(keep=[name])) == bits("net_raw")
    (limit,) = (each for each in planned_steps(plan_of(Capabilities(keep=[name]))) if "limit_b" in each.describe())
    assert limit.describe() == "limit_bounding_set(40, CAP_NET_RAW)"


@pytest.mark.parametrize("key", LISTS)
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("", ""),
        ("CAP_", ""),
        (" ", ""),
        ("net_raw\n", 'did you mean "CAP_NET_RAW"?'),
        (" net_raw", 'did you mean "CAP_NET_RAW"?'),
        ("CAP_NET_RAWW", 'did you mean "CAP_NET_RAW"?'),
        ("sysadmin", 'did you mean "CAP_SYS_ADMIN"?'),
        ("CAP_CAP_CHOWN", 'did you mean "CAP_CHOWN"?'),
        ("last_cap", ""),
        ("\u017fys_admin", ""),
        ("13", ""),
        ("CAP_NET_RAW=ep", 'did you mean "CAP_NET_RAW"?'),
        ("net_raw\0", 'did you mean "CAP_NET_RAW"?'),
    ],
)
def test_wrong_names(key: str, name: str, hint: str) -> None:
    found = [problem for problem in problems_of(Capabilities(**{key: ["chown", name]})) if "unknown" in problem.text]
    (problem,) = found
    assert (problem.section, problem.key, problem.text) == ("capabilities", f"{key}[1]", f"unknown capability {name!r}")
    assert problem.hint == hint or not hint
    assert "\n" not in str(problem)


@pytest.mark.parametrize("name", ["all", "ALL", "all "])
def test_all_is_no_name(name: str) -> None:
    assert [problem.hint for problem in problems_of(Capabilities(keep=[name]))] == ["write all = true"]
    assert [problem.hint for problem in problems_of(Capabilities(drop=[name]))] == ["write reset = true"]


@pytest.mark.parametrize("key", LISTS)
@pytest.mark.parametrize("value", ["chown", [3], [None], [["chown"]], {"chown": True}, 3, True, [b"chown"], 1.5])
def test_wrong_types(key: str, value: object) -> None:
    (problem,) = problems_of(Capabilities(**{key: value}))
    assert problem.key.split("[")[0] == key
    assert "must be" in problem.text


@pytest.mark.parametrize("key", ["all", "reset"])
@pytest.mark.parametrize("value", [1, "true", None, ["chown"], ()])
def test_wrong_switches(key: str, value: object) -> None:
    (problem,) = problems_of(Capabilities(**{key: value}))
    assert problem.key == key
    assert problem.text.startswith("must be true or false, not ")


@pytest.mark.parametrize("value", ["noroot", ["NOROOT"], ["SECBIT_NOROOT"], ["no_root"], [1], [""], ["noroot\n"], 1])
def test_wrong_secure_bits(value: object) -> None:
    (problem,) = problems_of(Capabilities(securebits=value))
    assert problem.key.split("[")[0] == "securebits"
    assert "must be" in problem.text


def test_a_secure_bit_that_the_command_would_not_have() -> None:
    (problem,) = problems_of(Capabilities(securebits=["noroot", "keep_caps"]))
    assert problem.text == "keep_caps cannot be in force: executing the command clears it"


# Which set.


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, bits(*DEFAULT)),
        ({"drop": ["mknod"]}, bits(*DEFAULT) & ~bits("mknod")),
        ({"drop": ["sys_admin"]}, bits(*DEFAULT)),
        ({"add": ["sys_admin"]}, bits(*DEFAULT, "sys_admin")),
        ({"add": ["chown", "CAP_CHOWN"]}, bits(*DEFAULT)),
        ({"add": ["sys_nice"], "drop": ["kill", "chown"]}, bits(*DEFAULT, "sys_nice") & ~bits("kill", "chown")),
        ({"keep": []}, 0),
        ({"keep": ["chown", "bpf", "checkpoint_restore"]}, bits("chown", "bpf", "checkpoint_restore")),
        ({"reset": True}, 0),
        ({"reset": True, "add": ["kill"]}, bits("kill")),
        ({"all": True}, 2**41 - 1),
        ({"all": True, "drop": ["sys_admin"]}, 2**41 - 1 - bits("sys_admin")),
    ],
)
def test_the_set(options: dict[str, object], expected: int) -> None:
    feature = Capabilities(**options)
    assert bounding(feature) == expected
    assert CapabilitySets(expected, expected) in plan_of(feature).facts.all(CapabilitySets)


def test_with_noroot_the_command_has_the_ambient_ones_only() -> None:
    made = plan_of(Capabilities(ambient=["chown"], securebits=["noroot"]))
    assert list(made.facts.all(CapabilitySets)) == [CapabilitySets(bits(*DEFAULT), bits("chown"))]


@pytest.mark.parametrize(("first", "second"), list(combinations(["keep", "all", "reset"], 2)))
def test_two_starts(first: str, second: str) -> None:
    given = {"keep": ["chown"], "all": True, "reset": True}
    (problem,) = problems_of(Capabilities(**{first: given[first], second: given[second]}))
    assert (problem.key, problem.text) == (second, f"contradicts {first}")


@pytest.mark.parametrize("key", ["add", "drop"])
@pytest.mark.parametrize("kept", [[], ["chown"]])
def test_keep_is_exact(key: str, kept: list[str]) -> None:
    (problem,) = problems_of(Capabilities(keep=kept, **{key: ["kill"]}))
    assert (problem.key, problem.text) == (key, "contradicts keep, which is exact")


def test_added_and_dropped() -> None:
    (problem,) = problems_of(Capabilities(add=["bpf", "CAP_KILL"], drop=["kill"]))
    assert (problem.key, problem.text) == ("add[1]", "CAP_KILL is dropped as well")


@pytest.mark.parametrize("key", ["ambient", "inheritable"])
@pytest.mark.parametrize(
    ("options", "advice"),
    [({}, "name it in add, too"), ({"keep": ["chown"]}, "name it in keep, too"), ({"drop": ["bpf"]}, "")],
)
def test_what_is_not_kept_cannot_be_passed_on(key: str, options: dict[str, object], advice: str) -> None:
    (problem,) = problems_of(Capabilities(**{key: ["chown", "bpf"]}, **options))
    assert (problem.key, problem.text) == (f"{key}[1]", "CAP_BPF is not kept")
    assert problem.hint == advice or not advice


# What the host has.


@pytest.mark.parametrize("key", LISTS)
def test_a_capability_that_the_kernel_does_not_know(key: str) -> None:
    old = host(last_capability=37, capabilities=2**38 - 1, kernel="5.4.0")
    (problem,) = problems_of(Capabilities(**{key: ["chown", "bpf"]}), host=old)
    assert (problem.key, problem.text) == (f"{key}[1]", "the kernel 5.4.0 has no CAP_BPF")


@pytest.mark.parametrize("last", [37, 40, 42, 63])
def test_all_is_what_the_kernel_knows(last: int) -> None:
    made = plan_of(Capabilities(all=True), host=host(last_capability=last, capabilities=2**64 - 1))
    (limit,) = (each for each in planned_steps(made) if each.step.function.__name__ == "limit_bounding_set")
    assert limit.step.arguments == (last, *range(last + 1))
    dropping = plan_of(Capabilities(reset=True), host=host(last_capability=last, capabilities=2**64 - 1))
    (limit,) = (each for each in planned_steps(dropping) if each.step.function.__name__ == "limit_bounding_set")
    dropped = [operation.arguments[1] for operation in limit.operations() if operation.arguments[0] == 24]
    assert dropped == list(range(last + 1))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"add": ["kill", "sys_resource"]}, Problem("the caller does not have CAP_SYS_RESOURCE", key="add[1]")),
        ({"keep": ["sys_resource"]}, Problem("the caller does not have CAP_SYS_RESOURCE", key="keep[0]")),
        ({"all": True, "add": ["mknod"]}, Problem("the caller does not have CAP_MKNOD", key="add[0]")),
        (
            {},
            Problem(
                "the caller does not have CAP_KILL, CAP_MKNOD of the default set", hint="name what it lacks in drop"
            ),
        ),
    ],
)
def test_what_the_caller_does_not_have(options: dict[str, object], problem: Problem) -> None:
    lacking = ["sys_resource"] if "kill" in options.get("add", ()) else ["sys_resource", "kill", "mknod"]
    (found,) = problems_of(Capabilities(**options), host=host_without(*lacking))
    assert (found.text, found.key, found.hint) == (problem.text, problem.key, problem.hint)
    assert problems_of(Capabilities(**options), host=host_without(*lacking), facts=USER_NAMESPACE) == ()


def test_all_is_what_the_caller_has() -> None:
    lacking = host_without("sys_resource", "mknod")
    rest = lacking.capabilities & ~bits("kill")
    assert bounding(Capabilities(all=True, drop=["kill", "mknod"]), host=lacking) == rest
    assert bounding(Capabilities(drop=["mknod"]), host=lacking) == bits(*DEFAULT) & ~bits("mknod")


@pytest.mark.parametrize("options", [{}, {"all": True}, {"reset": True}, {"keep": ["chown"]}])
def test_an_ordinary_user(options: dict[str, object]) -> None:
    alice = host(uid=1000, gid=1000, capabilities=0)
    (problem,) = problems_of(Capabilities(**options), host=alice)
    assert problem.text == "needs CAP_SETPCAP, which the caller does not have"
    assert problem.hint == "run as root, or add ns-user"
    assert problems_of(Capabilities(**options), host=alice, facts=USER_NAMESPACE) == ()


# Attached processes.


def attaching(feature: Feature | None, running: Feature | None, host: HostFacts) -> tuple[Problem, ...]:
    containers = [container_of(*([each] if each else [])) for each in (feature, running)]
    try:
        plan(containers[0], host, all_plugins(), "attach", running=containers[1])
    except DefinitionError as error:
        return error.problems
    return ()


@pytest.mark.parametrize(
    ("feature", "running", "beyond"),
    [
        (Capabilities(), Capabilities(), ""),
        (Capabilities(drop=["kill"]), Capabilities(), ""),
        (Capabilities(all=True), Capabilities(all=True), ""),
        (Capabilities(add=["sys_admin"]), Capabilities(), "CAP_SYS_ADMIN"),
        (Capabilities(add=["sys_admin"]), Capabilities(add=["SYS_ADMIN"]), ""),
        (Capabilities(keep=["bpf", "chown"], ambient=["bpf"]), Capabilities(), "CAP_BPF"),
        (Capabilities(), Capabilities(drop=["kill", "mknod"]), "CAP_KILL, CAP_MKNOD"),
        (Capabilities(), Capabilities(reset=True, add=["chown"]), "CAP_DAC_OVERRIDE"),
        (Capabilities(all=True), Capabilities(keep=["chown"]), "CAP_DAC_OVERRIDE"),
        (Capabilities(keep=["sys_admin"]), None, ""),
    ],
)
def test_never_beyond_the_running_container(feature: Feature, running: Feature | None, beyond: str) -> None:
    problems = attaching(feature, running, host())
    assert [problem.text.partition(": ")[2].startswith(beyond) for problem in problems] == [True] * bool(beyond)
    assert all(problem.text.startswith("not in the bounding set of the running container") for problem in problems)


def test_without_a_section_there_the_caller_is_the_bound() -> None:
    (problem,) = attaching(Capabilities(keep=["sys_admin"]), None, host_without("sys_admin"))
    assert problem.text == "the caller does not have CAP_SYS_ADMIN"


# Changes for one process.


@pytest.mark.parametrize(
    ("before", "add", "drop", "after"),
    [
        ({}, ["bpf"], ["CAP_KILL"], {"add": ("bpf",), "drop": ("CAP_KILL",)}),
        ({"drop": ["kill"]}, ["KILL"], [], {"add": ("KILL",)}),
        ({"add": ["bpf"]}, [], ["CAP_BPF"], {"drop": ("CAP_BPF",)}),
        ({"keep": ["chown", "kill"]}, ["bpf"], ["kill"], {"keep": ("chown", "bpf")}),
        ({"all": True}, [], ["kill"], {"all": True, "drop": ("kill",)}),
        ({"reset": True, "add": ["bpf"]}, ["kill"], [], {"reset": True, "add": ("bpf", "kill")}),
        ({"ambient": ["kill", "chown"]}, [], ["kill"], {"ambient": ("chown",), "drop": ("kill",)}),
        ({"inheritable": ["kill", "chown"]}, [], ["kill"], {"inheritable": ("chown",), "drop": ("kill",)}),
        ({"all": True, "drop": ["kill"], "ambient": ["bpf"]}, ["chown"], ["ALL"], {"keep": ("chown",)}),
        ({"keep": ["kill"], "securebits": ["noroot"]}, [], ["all"], {"keep": (), "securebits": ("noroot",)}),
        ({}, ["kill"], ["kill"], {"add": ("kill",)}),
    ],
)
def test_changed(before: dict[str, object], add: list[str], drop: list[str], after: dict[str, object]) -> None:
    assert Capabilities(**before).changed(add=add, drop=drop) == Capabilities(**after)


@given(
    st.sampled_from(["default", "keep", "all", "reset"]),
    *[st.sets(st.sampled_from(NAMES), max_size=6) for _ in range(3)],
)
def test_a_change_drops_first_and_then_adds(start: str, named: set[str], add: set[str], drop: set[str]) -> None:
    options = {"default": {"add": named}, "keep": {"keep": named}, "all": {"all": True}, "reset": {"reset": True}}
    before = Capabilities(**{key: value if value is True else [*value] for key, value in options[start].items()})
    expected = (bounding(before) & ~bits(*(name[4:] for name in drop))) | bits(*(name[4:] for name in add))
    assert bounding(before.changed(add=[*add], drop=[*drop])) == expected


@pytest.mark.parametrize(("key", "names"), [("add", ["kill", "nope"]), ("drop", [""]), ("add", ["all"])])
@pytest.mark.parametrize("before", [Capabilities(), Capabilities(keep=["kill"])])
def test_a_change_with_wrong_names(before: Capabilities, key: str, names: list[str]) -> None:
    with pytest.raises(DefinitionError, match=rf"^capabilities\.{key}: unknown capability '{names[-1]}'"):
        before.changed(**{key: names})


# Anything.

ANYTHING = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=12), st.lists(st.text(max_size=12)))
SOME_NAMES = st.lists(st.one_of(st.sampled_from([*NAMES, *DEFAULT]), st.text(max_size=12)), max_size=5)


@given(
    st.fixed_dictionaries({}, optional={item.name: st.one_of(SOME_NAMES, ANYTHING) for item in fields(Capabilities)}),
    st.integers(0, 2**64 - 1),
    st.integers(0, 63),
    st.booleans(),
    st.booleans(),
)
def test_planning_raises_nothing_but_definition_errors(options, capabilities, last, mapped, attach) -> None:
    machine = host(capabilities=capabilities, last_capability=last)
    facts = USER_NAMESPACE if mapped else ()
    problems = problems_of(Capabilities(**options), host=machine, facts=facts, entry="attach" if attach else "start")
    assert all("\n" not in str(problem) for problem in problems)

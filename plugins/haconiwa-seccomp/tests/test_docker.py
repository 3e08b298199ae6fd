"""Profiles in the JSON of Docker and OCI."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from haconiwa_seccomp import Rule, Seccomp
from haconiwa_seccomp.libseccomp import number_of
from hypothesis import given, strategies as st

from haconiwa_core.errors import Problem
from haconiwa_core.facts import CapabilitySets
from haconiwa_core.linux import bpf
from haconiwa_core.testing import host, plan_of, problems_of

OWN_MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
OTHER_MACHINE = {"x86_64": "arm64", "aarch64": "amd64"}[os.uname().machine]
OWN_ARCHITECTURE = f"SCMP_ARCH_{os.uname().machine.upper()}"
EPERM = bpf.ERRNO | 1
LATER = [
    *("setgroups", "getgroups", "chdir", "getcwd", "rt_sigaction", "rt_sigprocmask", "close_range", "write", "execve"),
    *("read", "close", "brk", "exit_group", "getsockname", "mmap", "munmap", "sendmsg"),
]
"""What a start still does under its filter, also with a handler."""

NEEDED = {"names": LATER, "action": "SCMP_ACT_ALLOW"}


@pytest.fixture
def written(tmp_path: Path):
    """Write a profile, and return the section that names it."""

    def write(content: object, **options: object) -> Seccomp:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        (tmp_path / "profile.json").write_bytes(raw)
        return Seccomp(profile=str(tmp_path / "profile.json"), **options)

    return write


def answer(feature: Seccomp, name: str, *arguments: int, **fields: object) -> int:
    plan = plan_of(feature, **fields)
    (step,) = (planned.step for planned in plan.steps if planned.plugin == "seccomp")
    (found,) = bpf.answers(step.arguments[0], number_of(name), arguments)
    return found


def refused(feature: Seccomp, **fields: object) -> list[str]:
    problems = problems_of(feature, **fields)
    assert all(
        (problem.file, problem.line) == (feature.profile, 0) and problem.key == "profile" for problem in problems
    )
    assert all(len(str(problem).splitlines()) == 1 for problem in problems)
    return [problem.text for problem in problems]


def profile(*entries: dict, default: str = "SCMP_ACT_ERRNO", **more: object) -> dict:
    return {"defaultAction": default, "syscalls": [NEEDED, *entries], **more}


def test_what_it_says_is_done_and_it_is_an_input(written, tmp_path: Path) -> None:
    feature = written(profile({"names": ["mkdir"], "action": "SCMP_ACT_ALLOW", "comment": "x", "args": None}))
    assert answer(feature, "mkdir") == bpf.ALLOW
    assert answer(feature, "rmdir") == EPERM
    content = (tmp_path / "profile.json").read_bytes()
    inputs = [(str(tmp_path / "profile.json"), hashlib.sha256(content).hexdigest())]
    assert [tuple(item) for item in plan_of(feature).inputs] == inputs
    relative = Seccomp(profile="profile.json")
    assert [tuple(item) for item in plan_of(relative, folder=str(tmp_path)).inputs] == inputs


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("SCMP_ACT_ALLOW", bpf.ALLOW),
        ("SCMP_ACT_ERRNO", EPERM),
        ("SCMP_ACT_KILL", bpf.KILL_THREAD),
        ("SCMP_ACT_KILL_PROCESS", bpf.KILL_PROCESS),
        ("SCMP_ACT_KILL_THREAD", bpf.KILL_THREAD),
        ("SCMP_ACT_LOG", bpf.LOG),
        ("SCMP_ACT_TRACE", bpf.TRACE | 1),
        ("SCMP_ACT_TRAP", bpf.TRAP),
    ],
)
def test_actions(written, action: str, expected: int) -> None:
    feature = written(profile({"names": ["mkdir"], "action": action}, default="SCMP_ACT_TRAP"))
    assert answer(feature, "mkdir") == expected
    assert answer(feature, "rmdir") == bpf.TRAP
    assert answer(written(profile(default=action)), "rmdir") == expected


def test_notifications_need_a_handler(written) -> None:
    feature = written(profile({"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}))
    (problem,) = problems_of(feature)
    assert problem.key == "handler"
    with_handler = Seccomp(profile=feature.profile, handler="module:function")
    plan = plan_of(with_handler)
    (step,) = (planned.step for planned in plan.steps if planned.step.function.__name__ == "load_filter_with_handler")
    assert bpf.answers(step.arguments[0], number_of("mkdir"), []) == {bpf.USER_NOTIF}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, 1),
        ({"defaultErrnoRet": 38}, 38),
        ({"defaultErrnoRet": 38, "defaultErrno": "EACCES"}, 13),
        ({"defaultErrno": "ENOSYS"}, 38),
    ],
)
def test_errors(written, more: dict, expected: int) -> None:
    assert answer(written(profile(**more)), "rmdir") == bpf.ERRNO | expected
    entry = {
        key.removeprefix("default")[0].lower() + key.removeprefix("default")[1:]: value for key, value in more.items()
    }
    feature = written(profile({"names": ["rmdir"], "action": "SCMP_ACT_ERRNO", **entry}))
    assert answer(feature, "rmdir") == bpf.ERRNO | expected


@pytest.mark.parametrize(
    ("op", "value", "second", "open_for", "closed_for"),
    [
        ("SCMP_CMP_EQ", 5, 0, [5], [4, 6]),
        ("SCMP_CMP_NE", 5, 0, [4, 6], [5]),
        ("SCMP_CMP_LT", 5, 0, [4], [5, 6]),
        ("SCMP_CMP_LE", 5, 0, [4, 5], [6]),
        ("SCMP_CMP_GT", 5, 0, [6], [4, 5]),
        ("SCMP_CMP_GE", 5, 0, [5, 6], [4]),
        ("SCMP_CMP_MASKED_EQ", 0x30, 0x10, [0x10, 0x1F], [0x20, 0x30, 0]),
    ],
)
def test_operators(written, op: str, value: int, second: int, open_for: list[int], closed_for: list[int]) -> None:
    args = [{"index": 1, "value": value, "valueTwo": second, "op": op}]
    feature = written(profile({"names": ["mkdir"], "action": "SCMP_ACT_ALLOW", "args": args}))
    assert {answer(feature, "mkdir", 0, given) for given in open_for} == {bpf.ALLOW}
    assert {answer(feature, "mkdir", 0, given) for given in closed_for} == {EPERM}


def test_conditions_on_one_argument_are_alternatives_and_others_hold_together(written) -> None:
    def allowing(*args: tuple[int, int]) -> Seccomp:
        conditions = [{"index": index, "value": value, "op": "SCMP_CMP_EQ"} for index, value in args]
        return written(profile({"names": ["mkdir"], "action": "SCMP_ACT_ALLOW", "args": conditions}))

    either = allowing((0, 1), (0, 2))
    assert [answer(either, "mkdir", value) for value in (1, 2, 3)] == [bpf.ALLOW, bpf.ALLOW, EPERM]
    both = allowing((0, 1), (1, 2))
    assert [answer(both, "mkdir", *pair) for pair in ((1, 2), (1, 3), (3, 2))] == [bpf.ALLOW, EPERM, EPERM]


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ({}, True),
        ({"includes": {"caps": ["CAP_CHOWN"]}}, True),
        ({"includes": {"caps": ["CAP_CHOWN", "CAP_SYS_ADMIN"]}}, False),
        ({"excludes": {"caps": ["CAP_CHOWN", "CAP_SYS_ADMIN"]}}, False),
        ({"excludes": {"caps": ["CAP_SYS_ADMIN"]}}, True),
        ({"includes": {"arches": [OWN_MACHINE, OTHER_MACHINE]}}, True),
        ({"includes": {"arches": [OTHER_MACHINE]}}, False),
        ({"excludes": {"arches": [OWN_MACHINE]}}, False),
        ({"excludes": {"arches": [OTHER_MACHINE]}}, True),
        ({"includes": {"minKernel": "4.8"}}, True),
        ({"includes": {"minKernel": "6.12"}}, True),
        ({"includes": {"minKernel": "6.13"}}, False),
        ({"includes": {"minKernel": "10.0"}}, False),
        ({"excludes": {"minKernel": "6.12"}}, False),
        ({"excludes": {"minKernel": "6.13"}}, True),
        ({"includes": None, "excludes": None}, True),
        ({"includes": {}, "excludes": {"caps": []}}, True),
    ],
)
def test_conditions(written, conditions: dict, holds: bool) -> None:
    feature = written(profile({"names": ["mkdir"], "action": "SCMP_ACT_ALLOW", **conditions}))
    facts = (CapabilitySets(1, 1),)
    found = answer(feature, "mkdir", facts=facts, host=host(kernel="6.12.3-generic"))
    assert (found == bpf.ALLOW) is holds


def test_older_forms_and_maps(written) -> None:
    entry = {"name": "mkdir", "action": "SCMP_ACT_ALLOW"}
    maps = [{"architecture": OWN_ARCHITECTURE, "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]}]
    feature = written(profile(entry, archMap=maps, architectures=[OWN_ARCHITECTURE, "SCMP_ARCH_X86"]))
    assert answer(feature, "mkdir") == bpf.ALLOW
    plan = plan_of(feature)
    (step,) = (planned.step for planned in plan.steps if planned.plugin == "seccomp")
    # i386 stays closed.
    assert bpf.answers(step.arguments[0], 39, [], 0x40000003) == {bpf.KILL_PROCESS}


@pytest.mark.parametrize(
    ("flags", "number"),
    [
        ([], 0),
        (["SECCOMP_FILTER_FLAG_TSYNC"], 0),
        (["SECCOMP_FILTER_FLAG_LOG"], 2),
        (["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"], 6),
    ],
)
def test_flags(written, flags: list[str], number: int) -> None:
    plan = plan_of(written(profile(flags=flags)))
    (step,) = (planned.step for planned in plan.steps if planned.plugin == "seccomp")
    assert step.arguments[1] == number


def test_what_is_newer_than_the_profile_is_unknown(written) -> None:
    feature = written(profile({"names": ["faccessat2"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "99.0"}}))
    assert answer(feature, "faccessat2") == EPERM
    assert answer(feature, "mount_setattr") == bpf.ERRNO | 38


def test_own_rules_come_first(written) -> None:
    content = profile({"names": ["mkdir"], "action": "SCMP_ACT_ALLOW"})
    feature = written(content, rules=[Rule(["mkdir"], "trap")], default="kill_process")
    assert answer(feature, "mkdir") == bpf.TRAP
    assert answer(feature, "rmdir") == bpf.KILL_PROCESS


@pytest.mark.parametrize("name", ["no_such_call", "chown32"])
def test_names_that_this_machine_does_not_have(written, name: str) -> None:
    entry = {"names": [name, "mkdir"], "action": "SCMP_ACT_ALLOW"}
    assert answer(written(profile(entry)), "mkdir") == bpf.ALLOW
    denied = {"names": [name, "mkdir"], "action": "SCMP_ACT_ERRNO"}
    assert answer(written(profile(denied)), "mkdir") == EPERM
    problems = problems_of(written(profile(denied, default="SCMP_ACT_ALLOW")))
    # What no machine has, as far as is known, may be there after all, and would be open.
    expected = [f"denies {name!r}, which libseccomp does not know"] if name == "no_such_call" else []
    assert [problem.text for problem in problems] == expected


ENTRY = {"names": ["mkdir"], "action": "SCMP_ACT_ALLOW"}
MALFORMED = {
    "empty": (b"", "not JSON: "),
    "cut": (b'{"defaultAction": "SCMP_ACT', "not JSON: "),
    "no text": (b"\xff\xfe\x00\x01", "not JSON: "),
    "deep": (b'{"syscalls":' + b"[" * 100_000, "not JSON: nested too deeply"),
    "a long number": (b'{"defaultErrnoRet": ' + b"9" * 10_000 + b"}", "not JSON: "),
    "a list": ([], "must be an object"),
    "null": (None, "must be an object"),
    "no default": ({}, "defaultAction: is missing"),
    "unknown key": (profile(defaultaction=1), 'defaultaction: unknown key "defaultaction"'),
    "a key of several lines": ({**profile(), "a\nb\x1b": 1}, r'a\nb\x1b: unknown key "a\nb\x1b"'),
    "a long value": (profile(default="A" * 100_000), "defaultAction: must be 'SCMP_ACT_ALLOW' or"),
    "unknown action": (profile(default="SCMP_ACT_ALOW"), "defaultAction: must be 'SCMP_ACT_ALLOW' or"),
    "a listener": (profile(listenerPath="/run/x"), 'listenerPath: unknown key "listenerPath"'),
    "unknown flag": (profile(flags=["SECCOMP_FILTER_FLAG_X"]), "flags[0]: must be"),
    "another architecture": (profile(architectures=["SCMP_ARCH_S390"]), "architectures: the profile is not for"),
    "an error that is none": (profile(defaultErrnoRet=4095), "defaultErrnoRet: must be at most 4094, not 4095"),
    "syscalls of a wrong type": (profile() | {"syscalls": {}}, "syscalls: must be a list of"),
    "an entry of a wrong type": (profile("mkdir"), "syscalls[1]: must be a table with"),
    "no action": (profile({"names": ["mkdir"]}), "syscalls[1].action: is missing"),
    "no names": (profile({"action": "SCMP_ACT_ALLOW"}), "syscalls[1].names: is missing"),
    "a name that is none": (
        profile(ENTRY | {"names": ["mk dir"]}),
        "syscalls[1].names[0]: must be the name of a system",
    ),
    "a name with a null": (
        profile(ENTRY | {"names": ["mkdir\0"]}),
        "syscalls[1].names[0]: must be the name of a system",
    ),
    "names of a wrong type": (profile(ENTRY | {"names": "mkdir"}), "syscalls[1].names: must be a list of"),
    "an unknown key of an entry": (profile(ENTRY | {"nmaes": []}), 'syscalls[1].nmaes: unknown key "nmaes"'),
    "an unknown operator": (
        profile(ENTRY | {"args": [{"index": 0, "value": 1, "op": "SCMP_CMP_IN"}]}),
        "syscalls[1].args[0].op: must be",
    ),
    "an index that is too high": (
        profile(ENTRY | {"args": [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]}),
        "syscalls[1].args[0].index: must be at most 5, not 6",
    ),
    "a negative value": (
        profile(ENTRY | {"args": [{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}]}),
        "syscalls[1].args[0].value: must be at least 0, not -1",
    ),
    "a value outside its mask": (
        profile(ENTRY | {"args": [{"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"}]}),
        "syscalls[1].args: valueTwo 2 has bits that are not in the mask",
    ),
    "an unknown capability": (
        profile(ENTRY | {"includes": {"caps": ["CAP_X"]}}),
        "syscalls[1].includes.caps: 'CAP_X' is",
    ),
    "a version that is none": (
        profile(ENTRY | {"includes": {"minKernel": "4"}}),
        "syscalls[1].includes.minKernel: must be",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_profiles(written, name: str) -> None:
    content, expected = MALFORMED[name]
    (text,) = refused(written(content))
    assert text.startswith(expected)
    assert len(text) <= 400


def test_all_that_is_wrong_is_told(written) -> None:
    texts = refused(written({"defaultAction": 1, "flags": [2], "syscalls": [{"action": "x"}]}))
    assert [text.partition(":")[0] for text in texts] == ["defaultAction", "flags[0]", "syscalls[0].action"]


def test_an_error_that_is_none_by_name(written) -> None:
    (problem,) = problems_of(written(profile(defaultErrno="EPERMM")))
    assert (problem.text, problem.hint) == ("defaultErrno: 'EPERMM' is no error", 'did you mean "EPERM"?')


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo", "large"])
def test_files_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "profile.json"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "large":
        path.write_bytes(b" " * (10 << 20))
    (problem,) = problems_of(Seccomp(profile=str(path)))
    reason = {"missing": "No such file", "directory": "not a regular file", "fifo": "not a regular file"}
    assert problem.text.startswith(f"cannot read {path}: {reason.get(kind, 'larger than 1 MiB')}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["SCMP_ACT_ALLOW", "mkdir"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["names", "name", "action", "args", "index", "value", "op", "includes", "excludes", "caps"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["defaultAction", "syscalls", "archMap", "architectures", "flags"]), JSON))
def test_any_json_is_a_profile_or_a_problem(tmp_path_factory: pytest.TempPathFactory, content: dict) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(content))
    assert all(isinstance(problem, Problem) for problem in problems_of(Seccomp(profile=str(path))))

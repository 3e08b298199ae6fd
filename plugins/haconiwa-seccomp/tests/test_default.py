"""The default profile: what it names exists, and it is never looser than the lists that others ship."""

import json
import operator
import os
from pathlib import Path

import pyseccomp
import pytest
from haconiwa_seccomp import Seccomp, default
from haconiwa_seccomp.kernel import load_filter
from haconiwa_seccomp.libseccomp import NEWER, names, number_of
from haconiwa_seccomp.profile import CAPABILITIES

from haconiwa_core.facts import CapabilitySets, NoNewPrivileges
from haconiwa_core.linux import bpf
from haconiwa_core.testing import host, plan_of

REFERENCES = (
    "/usr/share/containers/seccomp.json",
    "/usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json",
)
"""Where Debian's golang-github-containers-common and golang-github-docker-docker-dev have their lists."""

EXCEPTIONS = {
    "io_pgetevents",  # io_getevents, which all allow, with a mask of signals
    # What today's lists allow and older ones do not name.
    *("cachestat", "fchmodat2", "map_shadow_stack", "mseal", "futex_wake", "futex_wait", "futex_requeue"),
    *("statmount", "listmount", "getxattrat", "setxattrat", "listxattrat", "removexattrat"),
    *("lsm_get_self_attr", "lsm_set_self_attr", "lsm_list_modules", "set_mempolicy_home_node", "process_mrelease"),
    *("pkey_alloc", "pkey_free", "pkey_mprotect", "memfd_secret", "futex_waitv", "quotactl_fd", "landlock_add_rule"),
    *("landlock_create_ruleset", "landlock_restrict_self"),
}
"""What the default profile allows, and one of the lists does not."""

OWN_CAPABILITIES = {"bpf": "CAP_BPF", "perf_event_open": "CAP_PERFMON"}
"""Capabilities that are newer than a reference, which asks for CAP_SYS_ADMIN."""

DOCKERS = 0xA80425FB
SETS = {
    "none": 0,
    "docker": DOCKERS,
    **{name: 1 << number for number, name in enumerate(CAPABILITIES)},
    "all": (1 << len(CAPABILITIES)) - 1,
}
ARGUMENTS = {
    "clone": [
        [flags, 0, 0, 0, 0, 0] for flags in (17, 0x3D0F00, 0x10000011, 0x20000, 0x7E020011, 1 << 32 | 0x40000000)
    ],
    "personality": [[value] for value in (0, 8, 0x20000, 0x20008, 0xFFFFFFFF, 0x40000, 1 << 32)],
    "socket": [[family, 1, 0] for family in (*range(47), 1 << 32 | 40, 1 << 32 | 2)],
}
COMPARED = {
    "SCMP_CMP_EQ": operator.eq,
    "SCMP_CMP_NE": operator.ne,
    "SCMP_CMP_LT": operator.lt,
    "SCMP_CMP_LE": operator.le,
    "SCMP_CMP_GT": operator.gt,
    "SCMP_CMP_GE": operator.ge,
}


def filter_with(capabilities: int) -> bytes:
    facts = (CapabilitySets(capabilities, capabilities), NoNewPrivileges("test"))
    plan = plan_of(Seccomp(), facts=facts)
    (program,) = (step.step.arguments[0] for step in plan.steps if step.step.function is load_filter)
    return program


def allows(program: bytes, name: str, arguments: list[int]) -> bool:
    number = number_of(name)
    assert number is not None
    return bpf.answers(program, number, arguments) == {bpf.ALLOW}


def reference_allows(reference: dict, name: str, arguments: list[int], held: set[str]) -> bool:
    """Say what a list means, read by itself."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    allowed = False
    for entry in reference["syscalls"]:
        includes, excludes = entry.get("includes") or {}, entry.get("excludes") or {}
        if name not in entry["names"] or (includes.get("arches") and machine not in includes["arches"]):
            continue
        if machine in excludes.get("arches", ()) or held & set(excludes.get("caps") or ()):
            continue
        if not set(includes.get("caps") or ()) <= held:
            continue
        conditions = [
            (arguments[item["index"]] & item["value"]) == item.get("valueTwo", 0)
            if item["op"] == "SCMP_CMP_MASKED_EQ"
            else COMPARED[item["op"]](arguments[item["index"]], item["value"])
            for item in entry.get("args") or ()
        ]
        if all(conditions) and entry["action"] == "SCMP_ACT_ALLOW":
            allowed = True
    return allowed


@pytest.mark.parametrize("path", REFERENCES)
def test_it_is_never_looser_than_a_reference(path: str) -> None:
    if not os.path.exists(path):
        pytest.skip(f"{path} is not installed")
    reference = json.loads(Path(path).read_text())
    looser = set()
    for held, mask in SETS.items():
        program = filter_with(mask)
        capabilities = {name for number, name in enumerate(CAPABILITIES) if mask >> number & 1}
        for name in names():
            if name in EXCEPTIONS or OWN_CAPABILITIES.get(name) in capabilities:
                continue
            for arguments in ARGUMENTS.get(name, [[]]):
                padded = [*arguments, *[0] * (6 - len(arguments))]
                if allows(program, name, padded) and not reference_allows(reference, name, padded, capabilities):
                    looser.add((held, name, *arguments))
    assert looser == set()


def test_every_exception_is_one() -> None:
    program = filter_with(SETS["all"])
    assert {name for name in EXCEPTIONS if not allows(program, name, [0] * 6)} == set()


@pytest.mark.parametrize(
    "name",
    sorted(
        {name for group in (*default.ANYBODY.values(), *default.WITH_CAPABILITY.values()) for name in group.split()}
    ),
)
def test_every_name_is_a_system_call(name: str) -> None:
    architectures = (pyseccomp.Arch.X86_64, pyseccomp.Arch.AARCH64)
    assert name in NEWER or any(pyseccomp.resolve_syscall(each, name) >= 0 for each in architectures)


def test_no_name_stands_twice() -> None:
    words = [name for group in default.ANYBODY.values() for name in group.split()]
    assert len(words) == len(set(words))


def test_the_capabilities_are_the_kernels() -> None:
    assert set(default.WITH_CAPABILITY) <= set(CAPABILITIES)
    assert len(set(CAPABILITIES)) == host().last_capability + 1


@pytest.mark.parametrize(("name", "number"), NEWER.items())
def test_numbers_that_libseccomp_may_not_know(name: str, number: int) -> None:
    known = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
    assert known in (-1, number)


@pytest.mark.parametrize("held", SETS)
def test_what_a_capability_opens(held: str) -> None:
    program = filter_with(SETS[held])
    for capability, group in default.WITH_CAPABILITY.items():
        # With CAP_SYS_ADMIN some of it is open anyway, and clone is without, for plain processes.
        for name in group.split():
            if number_of(name) is None or number_of(name) < 0:
                continue
            opening = {other for other, others in default.WITH_CAPABILITY.items() if name in others.split()}
            mine = any(SETS[held] >> CAPABILITIES.index(other) & 1 for other in opening)
            assert allows(program, name, [0x10000000] * 6) is mine, (capability, name)


@pytest.mark.parametrize(
    "name",
    [
        *("io_uring_setup", "io_uring_enter", "io_uring_register", "keyctl", "add_key", "request_key", "userfaultfd"),
        *("kexec_load", "kexec_file_load", "pivot_root", "swapon", "swapoff", "move_pages", "migrate_pages"),
        *("create_module", "uselib", "ustat", "sysfs", "nfsservctl", "modify_ldt"),
    ],
)
def test_what_is_never_open(name: str) -> None:
    number = number_of(name)
    if number is None or number < 0:
        pytest.skip(f"this machine has no {name}")
    assert not allows(filter_with(SETS["all"]), name, [0] * 6)


@pytest.mark.parametrize("request_number", [0x5412, 0x541C, 1 << 32 | 0x5412, 0xFFFFFFFF0000541C])
def test_the_terminal_of_others_takes_no_words(request_number: int) -> None:
    program = filter_with(SETS["all"])
    assert not allows(program, "ioctl", [0, request_number, 0])
    assert allows(program, "ioctl", [0, 0x5413, 0])


def test_clone3_is_unknown_without_administration() -> None:
    assert bpf.answers(filter_with(DOCKERS), 435, [0] * 6) == {bpf.ERRNO | 38}
    assert bpf.answers(filter_with(SETS["all"]), 435, [0] * 6) == {bpf.ALLOW}


def test_what_is_newer_than_the_profile_is_unknown() -> None:
    program = filter_with(SETS["all"])
    last = NEWER["removexattrat"]
    assert bpf.answers(program, last, [0] * 6) == {bpf.ALLOW}
    for number in (last + 1, 500, 4095):
        assert bpf.answers(program, number, [0] * 6) == {bpf.ERRNO | 38}


@pytest.mark.parametrize(
    ("facts", "capabilities", "admin"),
    [
        ((), -1, True),
        ((), 0xFFFFFFFF & ~(1 << 21), False),
        ((CapabilitySets(bounding=DOCKERS, permitted=0),), -1, False),
        ((CapabilitySets(bounding=DOCKERS | 1 << 21, permitted=0),), -1, True),
        ((CapabilitySets(bounding=DOCKERS | 1 << 21, permitted=0), NoNewPrivileges("test")), -1, False),
        ((CapabilitySets(bounding=1 << 21, permitted=1 << 21), NoNewPrivileges("test")), -1, True),
    ],
)
def test_whose_capabilities_count(facts: tuple, capabilities: int, admin: bool) -> None:
    everything = host().capabilities
    if not facts:
        facts = (NoNewPrivileges("test"),)
    plan = plan_of(Seccomp(), facts=facts, host=host(capabilities=everything & capabilities))
    (program,) = (step.step.arguments[0] for step in plan.steps if step.step.function is load_filter)
    assert allows(program, "unshare", [0x10000000]) is admin

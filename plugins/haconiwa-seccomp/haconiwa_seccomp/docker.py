"""Profiles in the JSON of Docker, Podman and OCI."""

# The fields carry the names of the file's keys.
# ruff: noqa: N815

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.options import Complaint, Pattern, Range, build, suggestion
from haconiwa_core.planning.context import Planning
from haconiwa_seccomp import Action, Arg, CallName, Errno, Rule, Word
from haconiwa_seccomp.profile import CAPABILITIES, ERRORS, Profile, capabilities

ScmpAction = Literal[
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_TRAP",
]
_ACTIONS: dict[ScmpAction, Action] = {
    "SCMP_ACT_ALLOW": "allow",
    "SCMP_ACT_ERRNO": "errno",
    "SCMP_ACT_KILL": "kill_thread",
    "SCMP_ACT_KILL_PROCESS": "kill_process",
    "SCMP_ACT_KILL_THREAD": "kill_thread",
    "SCMP_ACT_LOG": "log",
    "SCMP_ACT_NOTIFY": "user_notif",
    "SCMP_ACT_TRACE": "trace",
    "SCMP_ACT_TRAP": "trap",
}
ScmpOperator = Literal[
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_LE",
    "SCMP_CMP_LT",
    "SCMP_CMP_MASKED_EQ",
    "SCMP_CMP_NE",
]
_OPERATORS: dict[ScmpOperator, Literal["==", "!=", "<", "<=", ">", ">="]] = {
    "SCMP_CMP_EQ": "==",
    "SCMP_CMP_GE": ">=",
    "SCMP_CMP_GT": ">",
    "SCMP_CMP_LE": "<=",
    "SCMP_CMP_LT": "<",
    "SCMP_CMP_MASKED_EQ": "==",
    "SCMP_CMP_NE": "!=",
}
Flag = Literal["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"]
# TSYNC is about other threads, of which there are none.
_FLAGS: dict[Flag, int] = {
    "SECCOMP_FILTER_FLAG_LOG": 2,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
    "SECCOMP_FILTER_FLAG_TSYNC": 0,
}
Architecture = Annotated[str, Pattern(r"SCMP_ARCH_[A-Z0-9_]+", "the name of an architecture")]
_ARCHITECTURE, _MACHINE = {
    "x86_64": ("SCMP_ARCH_X86_64", "amd64"),
    "aarch64": ("SCMP_ARCH_AARCH64", "arm64"),
}[os.uname().machine]
"""This machine's name in `architectures`, and in conditions."""

Number = Annotated[int, Range(0, 4094)]
_LONGEST_COMPLAINT = 300


@dataclass(frozen=True)
class _Comparison:
    index: Annotated[int, Range(0, 5)]
    value: Word
    op: ScmpOperator
    valueTwo: Word = 0


@dataclass(frozen=True)
class _Condition:
    caps: Sequence[str] | None = None
    arches: Sequence[str] | None = None
    minKernel: Annotated[str, Pattern(r"[0-9]{1,9}\.[0-9]{1,9}", 'a version such as "4.8"')] | None = None


@dataclass(frozen=True)
class _Syscall:
    action: ScmpAction
    names: Sequence[CallName] | None = None
    name: CallName | None = None
    errnoRet: Number | None = None
    errno: Errno | None = None
    args: Sequence[_Comparison] | None = None
    includes: _Condition | None = None
    excludes: _Condition | None = None
    comment: str | None = None


@dataclass(frozen=True)
class _ArchitectureMap:
    architecture: Architecture
    subArchitectures: Sequence[Architecture] | None = None


@dataclass(frozen=True)
class _File:
    defaultAction: ScmpAction
    defaultErrnoRet: Number | None = None
    defaultErrno: Errno | None = None
    architectures: Sequence[Architecture] | None = None
    archMap: Sequence[_ArchitectureMap] | None = None
    flags: Sequence[Flag] | None = None
    syscalls: Sequence[_Syscall] | None = None


def read_profile(path: str, planning: Planning) -> Profile:
    """Read a profile of the host as an input of the plan.

    Calls of other architectures stay closed, whatever the profile says of them.

    Args:
        path: as for `Planning.host_path`.
        planning: with all facts, for rules that hold under conditions.

    Raises:
        DefinitionError: it cannot be read, or is no such profile.
    """
    content = planning.read_on_host(path)
    name = planning.host_path(path)
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise _refused(name, [Complaint("", f"not JSON: {reason}")]) from error
    if not isinstance(data, dict):
        raise _refused(name, [Complaint("", "must be an object")])
    file, complaints = build(_File, data)
    complaints += [] if complaints else list(_complaints(file))
    if complaints:
        raise _refused(name, complaints)
    return _profile(file, planning)


def _refused(name: str, complaints: Sequence[Complaint]) -> DefinitionError:
    problems = []
    for found in complaints:
        text = f"{found.key}: {found.text}" if found.key else found.text
        # What is quoted comes from the file, and may be of any length and kind.
        line = "".join(one if one.isprintable() else repr(one)[1:-1] for one in text[:_LONGEST_COMPLAINT])
        problems.append(Problem(line, key="profile", file=name, hint=found.hint))
    return DefinitionError(problems)


def _complaints(file: _File) -> Iterator[Complaint]:
    """Yield what the types of the fields do not tell."""
    if file.architectures and _ARCHITECTURE not in file.architectures:
        yield Complaint("architectures", f"the profile is not for {_ARCHITECTURE}")
    yield from _unknown_error(file.defaultErrno, "defaultErrno")
    for place, syscall in enumerate(file.syscalls or ()):
        key = f"syscalls[{place}]"
        yield from _unknown_error(syscall.errno, f"{key}.errno")
        if not _names(syscall):
            yield Complaint(f"{key}.names", "is missing")
        for comparison in syscall.args or ():
            if comparison.op == "SCMP_CMP_MASKED_EQ" and comparison.valueTwo & ~comparison.value:
                yield Complaint(f"{key}.args", f"valueTwo {comparison.valueTwo} has bits that are not in the mask")
        for which in ("includes", "excludes"):
            condition = getattr(syscall, which) or _Condition()
            for capability in condition.caps or ():
                if capability not in CAPABILITIES:
                    yield Complaint(f"{key}.{which}.caps", f"{capability!r} is no capability")


def _unknown_error(value: Errno | None, key: str) -> Iterator[Complaint]:
    if isinstance(value, str) and value not in ERRORS:
        yield Complaint(key, f"{value!r} is no error", suggestion(value, ERRORS))


def _profile(file: _File, planning: Planning) -> Profile:
    syscalls = file.syscalls or ()
    held = capabilities(planning)
    rules = [rule for syscall in syscalls if _holds(syscall, planning, held) for rule in _rules(syscall)]
    flags = 0
    for flag in file.flags or ():
        flags |= _FLAGS[flag]
    return Profile(
        tuple(rules),
        _ACTIONS[file.defaultAction],
        _error(file.defaultErrno, file.defaultErrnoRet),
        tuple(name for syscall in syscalls for name in _names(syscall)),
        flags,
    )


def _names(syscall: _Syscall) -> tuple[str, ...]:
    return (*(syscall.names or ()), *((syscall.name,) if syscall.name else ()))


def _holds(syscall: _Syscall, planning: Planning, held: frozenset[str]) -> bool:
    includes, excludes = syscall.includes or _Condition(), syscall.excludes or _Condition()
    if (includes.arches and _MACHINE not in includes.arches) or _MACHINE in (excludes.arches or ()):
        return False
    if not held.issuperset(includes.caps or ()) or held.intersection(excludes.caps or ()):
        return False
    kernel = planning.host.kernel
    if includes.minKernel and not _is_at_least(kernel, includes.minKernel):
        return False
    return not (excludes.minKernel and _is_at_least(kernel, excludes.minKernel))


def _is_at_least(kernel: str, version: str) -> bool:
    found = re.match(r"(\d+)\.(\d+)", kernel)
    return found is not None and tuple(map(int, found.groups())) >= tuple(map(int, version.split(".")))


def _rules(syscall: _Syscall) -> Iterator[Rule]:
    """Yield the rules of an entry: conditions on one argument are alternatives, as runc and crun take them."""
    action = _ACTIONS[syscall.action]
    number = _error(syscall.errno, syscall.errnoRet) if action == "errno" else syscall.errnoRet
    args = [_arg(comparison) for comparison in syscall.args or ()]
    alternatives: list[tuple[Arg, ...]] = [tuple(args)]
    if len({arg.index for arg in args}) < len(args):
        alternatives = [(arg,) for arg in args]
    for together in alternatives:
        yield Rule(_names(syscall), action, number, together)


def _arg(comparison: _Comparison) -> Arg:
    if comparison.op == "SCMP_CMP_MASKED_EQ":
        return Arg(comparison.index, "==", comparison.valueTwo, mask=comparison.value)
    return Arg(comparison.index, _OPERATORS[comparison.op], comparison.value)


def _error(name: Any, number: int | None) -> Errno:
    return name if name is not None else "EPERM" if number is None else number

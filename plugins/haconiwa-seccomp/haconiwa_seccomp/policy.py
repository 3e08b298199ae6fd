"""A section of a definition becomes a policy: names become numbers, and what is wrong is told."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from itertools import groupby

from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.host import HostFacts
from haconiwa_core.linux import bpf
from haconiwa_core.options import suggestion
from haconiwa_seccomp import Action, Errno, Rule, Seccomp
from haconiwa_seccomp.libseccomp import Group, Match, Policy, names, number_of
from haconiwa_seccomp.profile import ERRORS, Profile

_ANSWERS: dict[Action, int] = {
    "allow": bpf.ALLOW,
    "log": bpf.LOG,
    "trace": bpf.TRACE,
    "user_notif": bpf.USER_NOTIF,
    "errno": bpf.ERRNO,
    "trap": bpf.TRAP,
    "kill_thread": bpf.KILL_THREAD,
    "kill_process": bpf.KILL_PROCESS,
}
_HARMLESS = ("allow", "log")
_WITH_NUMBER = ("errno", "trace")


def policy_of(feature: Seccomp, profile: Profile, host: HostFacts) -> Policy:
    """Return what a section asks for.

    Args:
        feature: the section.
        profile: that it names.
        host: must have every action that is asked for.

    Raises:
        DefinitionError: with all that is wrong with the section.
    """
    default = feature.default or profile.default
    problems = [*_problems(feature, default), *_unknown_calls(feature, profile, default)]
    used = {default, "kill_process", *(rule.action for rule in (*feature.rules, *profile.rules))}
    problems += _unavailable({"allow", "log"} if feature.log else used, host)
    problems += _handler_problems(feature, "user_notif" in used)
    if problems:
        raise DefinitionError(problems)
    matches = [found for rule in (*feature.rules, *profile.rules) for found in _matches(rule, feature.log)]
    groups = tuple(
        Group(answer, tuple(match for _, match in found)) for answer, found in groupby(matches, lambda one: one[0])
    )
    known = [number for name in profile.known if (number := number_of(name)) is not None]
    newest = max(known, default=None) if default == "errno" and not feature.log else None
    final = _answer(default, profile.errno if feature.errno is None else feature.errno, feature.log)
    return Policy(groups, newest, final, _answer("kill_process", None, feature.log))


def describe(answer: int) -> str:
    """Return what becomes of a call in the words of a definition."""
    action = next(name for name, value in _ANSWERS.items() if value == answer & bpf.ACTION_MASK)
    number = answer & bpf.DATA_MASK
    return f"{action} {errno.errorcode.get(number, number)}" if action == "errno" else action


def _matches(rule: Rule, log: bool) -> Iterator[tuple[int, Match]]:
    answer = _answer(rule.action, rule.errno, log)
    for name in rule.names:
        number = number_of(name)
        if number is not None and number >= 0:
            yield answer, (number, tuple(rule.args))


def _answer(action: Action, number: Errno | None, log: bool) -> int:
    if log and action != "allow":
        return bpf.LOG
    if action not in _WITH_NUMBER:
        return _ANSWERS[action]
    number = errno.EPERM if number is None else number
    return _ANSWERS[action] | (ERRORS[number] if isinstance(number, str) else number)


def _problems(feature: Seccomp, default: Action) -> Iterator[Problem]:
    yield from _errno_problems(feature.errno, default, "errno", "`default`")
    for place, rule in enumerate(feature.rules):
        key = f"rules[{place}]"
        yield from _errno_problems(rule.errno, rule.action, f"{key}.errno", "`action`")
        if not rule.names:
            yield Problem("names no system call", key=f"{key}.names")
        seen = set()
        for position, arg in enumerate(rule.args):
            part = f"{key}.args[{position}]"
            if arg.index in seen:
                hint = "rules are tried in order: write one for each comparison"
                yield Problem(f"argument {arg.index} is compared before", key=part, hint=hint)
            seen.add(arg.index)
            if arg.mask is not None and arg.op != "==":
                yield Problem(f'goes with "==" only, not with "{arg.op}"', key=f"{part}.mask")
            elif arg.mask is not None and arg.value & ~arg.mask:
                yield Problem("has bits that the mask takes away: no argument is equal to it", key=f"{part}.value")


def _errno_problems(value: Errno | None, action: Action, key: str, what: str) -> Iterator[Problem]:
    if value is None:
        return
    if action not in _WITH_NUMBER:
        yield Problem(f'goes with the {what} "errno" or "trace" only, not with "{action}"', key=key)
    elif isinstance(value, str) and value not in ERRORS:
        yield Problem(f"{value!r} is no error", key=key, hint=suggestion(value, ERRORS))


def _unknown_calls(feature: Seccomp, profile: Profile, default: Action) -> Iterator[Problem]:
    for place, rule in enumerate(feature.rules):
        for position, name in enumerate(rule.names):
            number = number_of(name)
            key = f"rules[{place}].names[{position}]"
            if number is None:
                yield Problem(f"{name!r} is no system call", key=key, hint=suggestion(name, names()))
            elif number < 0:
                yield Problem(f"{name!r} is a system call of other architectures only", key=key)
    # A profile is written for many kernels. What it allows may be missing, and so may what is denied anyway.
    if default in _HARMLESS and not feature.log:
        for rule in profile.rules:
            for name in rule.names:
                if rule.action not in _HARMLESS and number_of(name) is None:
                    yield Problem(f"denies {name!r}, which libseccomp does not know", key="profile")


def _handler_problems(feature: Seccomp, notifies: bool) -> Iterator[Problem]:
    if feature.handler and not notifies:
        yield Problem('nothing has the action "user_notif"', key="handler")
    if notifies and not feature.handler and not feature.log:
        yield Problem('is missing: it answers calls whose action is "user_notif"', key="handler")


def _unavailable(actions: Sequence[Action] | set[Action], host: HostFacts) -> Iterator[Problem]:
    for action in sorted(actions):
        if action not in host.seccomp_actions:
            yield Problem(f'the kernel {host.kernel} has no action "{action}" for filters')

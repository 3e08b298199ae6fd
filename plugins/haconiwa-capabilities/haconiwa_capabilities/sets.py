"""Which sets a section means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, NamedTuple

from haconiwa_capabilities import Capabilities
from haconiwa_capabilities.names import DEFAULT, SecureBit, capability_of, unknown
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.host import HostFacts

if TYPE_CHECKING:
    from haconiwa_core.planning.context import Planning

Numbers = frozenset[int]

_LISTS = ("keep", "add", "drop", "ambient", "inheritable")
_STARTS = ("keep", "all", "reset")
_CLEARED = "keep_caps"
_EVERYTHING = "all"


class Sets(NamedTuple):
    """The sets of a process that executes its command.

    Args:
        kept: the bounding set.
        inheritable: some of it, the ambient ones among them.
        ambient: what any user has.
        securebits: the flags.
    """

    kept: Numbers
    inheritable: Numbers
    ambient: Numbers
    securebits: SecureBit

    @property
    def permitted(self) -> Numbers:
        """What user 0 has, in its permitted and its effective set."""
        return self.ambient if SecureBit.SECBIT_NOROOT in self.securebits else self.kept


def every(host: HostFacts) -> Numbers:
    """Return all capabilities that the kernel knows."""
    return frozenset(range(host.last_capability + 1))


def available_to(planning: Planning) -> Numbers:
    """Return what the child has before its set is limited: a user namespace gives all."""
    host = planning.host
    if planning.user_namespace:
        return every(host)
    return frozenset(number for number in every(host) if host.has_capability(number))


def wanted(feature: Capabilities, host: HostFacts, available: Numbers) -> Sets:
    """Return the sets that a section asks for.

    Args:
        feature: the section.
        host: whose kernel knows more or less capabilities.
        available: what `all` means.

    Raises:
        DefinitionError: names are wrong, or options contradict each other.
    """
    problems = [problem for key in _LISTS for problem in _wrong_names(feature, key, host)]
    problems += _contradictions(feature)
    if problems:
        raise DefinitionError(problems)
    kept = (_start(feature, available) | _numbers(feature.add)) - _numbers(feature.drop)
    for key in ("ambient", "inheritable"):
        for index, number in enumerate(map(capability_of, getattr(feature, key))):
            if number is not None and number not in kept:
                hint = f"name it in {'add' if feature.keep is None else 'keep'}, too"
                problems.append(Problem(f"{number.name} is not kept", key=f"{key}[{index}]", hint=hint))
    if problems:
        raise DefinitionError(problems)
    ambient = _numbers(feature.ambient)
    bits = (SecureBit[f"SECBIT_{name.upper()}"] for name in feature.securebits)
    return Sets(kept, ambient | _numbers(feature.inheritable), ambient, reduce(or_, bits, SecureBit(0)))


def explicit(feature: Capabilities) -> dict[int, str]:
    """Return the capabilities that a section gives by name, and the option in which."""
    return {
        number: f"{key}[{index}]"
        for key in ("keep", "add")
        for index, number in enumerate(map(capability_of, getattr(feature, key) or ()))
        if number is not None
    }


def changed(feature: Capabilities, add: Sequence[str], drop: Sequence[str]) -> Capabilities:
    """Return a section with capabilities dropped and then others added, as `Capabilities.changed` does."""
    names = [name for name in drop if name.lower() != _EVERYTHING]
    problems = [
        unknown(name, key)._replace(section=feature.section)
        for key, given in (("add", add), ("drop", names))
        for name in given
        if capability_of(name) is None
    ]
    if problems:
        raise DefinitionError(problems)
    if len(names) < len(drop):
        return replace(feature, keep=add, all=False, reset=False, add=(), drop=(), ambient=(), inheritable=())
    less, more = _numbers(names), _numbers(add)
    left = replace(feature, ambient=_without(feature.ambient, less), inheritable=_without(feature.inheritable, less))
    if left.keep is not None:
        return replace(left, keep=(*_without(left.keep, less), *add))
    return replace(left, add=(*_without(left.add, less), *add), drop=_without((*left.drop, *names), more))


def _start(feature: Capabilities, available: Numbers) -> Numbers:
    if feature.all:
        return available
    if feature.reset:
        return frozenset()
    return DEFAULT if feature.keep is None else _numbers(feature.keep)


def _numbers(names: Sequence[str]) -> Numbers:
    return frozenset(number for number in map(capability_of, names) if number is not None)


def _without(names: Sequence[str], numbers: Numbers) -> tuple[str, ...]:
    return tuple(name for name in names if capability_of(name) not in numbers)


def _wrong_names(feature: Capabilities, key: str, host: HostFacts) -> Iterator[Problem]:
    for index, name in enumerate(getattr(feature, key) or ()):
        number = capability_of(name)
        if number is None:
            yield unknown(name, f"{key}[{index}]")
        elif number > host.last_capability:
            yield Problem(f"the kernel {host.kernel} has no {number.name}", key=f"{key}[{index}]")


def _contradictions(feature: Capabilities) -> Iterator[Problem]:
    starts = [key for key in _STARTS if getattr(feature, key) not in (None, False)]
    for key in starts[1:]:
        yield Problem(f"contradicts {starts[0]}", key=key, hint="a set starts from one thing only")
    for key in ("add", "drop"):
        if feature.keep is not None and getattr(feature, key):
            yield Problem("contradicts keep, which is exact", key=key, hint="change keep instead")
    dropped = _numbers(feature.drop)
    for index, number in enumerate(map(capability_of, feature.add)):
        if number in dropped:
            yield Problem(f"{number.name} is dropped as well", key=f"add[{index}]")
    if _CLEARED in feature.securebits:
        yield Problem(f"{_CLEARED} cannot be in force: executing the command clears it", key="securebits")

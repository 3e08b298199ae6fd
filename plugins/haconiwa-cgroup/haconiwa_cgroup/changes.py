"""What a live update of the section writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from haconiwa_cgroup import Cgroup
from haconiwa_cgroup.controller import find
from haconiwa_cgroup.layout import CONTAINER, Hierarchy, Layout, Target, Written, layout_of, options_of
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.host import HostFacts
from haconiwa_core.linux.cgroups import ATTACHED

_FIXED = ("devices", "name", "parent", "assign", "require")
_RUNS = "while the container runs"


class Changes(NamedTuple):
    """What is done.

    Args:
        turned_on: controllers of version 2 that were not needed so far: where, for which groups, and which.
        written: in order.
    """

    turned_on: tuple[tuple[Hierarchy, str, tuple[str, ...]], ...]
    written: tuple[Written, ...]


def changes(old: Cgroup, new: Cgroup, host: HostFacts) -> Changes:
    """Return what turns a section that is in force into another one.

    Raises:
        DefinitionError: this host cannot do it, or not while the container runs.
    """
    _refuse(
        *(
            Problem(f"cannot be changed {_RUNS}", key=name)
            for name in _FIXED
            if getattr(old, name) != getattr(new, name)
        ),
        *(
            Problem(f"cannot be taken back {_RUNS}", key=f"raw.{file}", hint="set it to another value")
            for file in sorted(set(old.raw or ()) - set(new.raw or ()))
        ),
    )
    if old.assign is not None:
        return Changes((), ())
    before = layout_of(old, host)
    after = Layout(new, host, _lifted(before.options, options_of(new)))
    _refuse(
        *(
            Problem(f"the container was started without a group of {item.label}", hint="start it with a limit of that")
            for item in after.hierarchies
            if item not in before.hierarchies
        )
    )
    turned_on = [
        (hierarchy, leaf, added)
        for hierarchy in after.hierarchies
        for leaf in (CONTAINER, ATTACHED)
        if (added := _added(before, after, hierarchy, leaf))
    ]
    in_force = set(before.written)
    return Changes(tuple(turned_on), tuple(item for item in after.written if item not in in_force))


def _lifted(
    former: Mapping[Target, Mapping[str, Any]], wanted: Mapping[Target, Mapping[str, Any]]
) -> dict[Target, dict[str, Any]]:
    """Return the options that are wanted, and for each that is no longer given the value that lifts its limit."""
    merged = {target: dict(options) for target, options in wanted.items()}
    problems = []
    for target, options in former.items():
        lifts = find(target.controller).options
        left = merged.setdefault(target, {})
        for option, value in options.items():
            lift = lifts[option]
            if isinstance(value, Mapping):
                left[option] = {**dict.fromkeys(value, lift), **left.get(option, {})}
            elif option not in left and lift is None:
                hint = "set it to all that may be used"
                problems.append(Problem(f"cannot be taken back {_RUNS}", key=target.key(option), hint=hint))
            else:
                left.setdefault(option, lift)
    _refuse(*problems)
    return merged


def _added(before: Layout, after: Layout, hierarchy: Hierarchy, leaf: str) -> tuple[str, ...]:
    chosen = None if leaf == CONTAINER else leaf
    former = before.controllers(hierarchy, chosen)
    return tuple(name for name in after.controllers(hierarchy, chosen) if name not in former)


def _refuse(*problems: Problem) -> None:
    if problems:
        raise DefinitionError(problems)

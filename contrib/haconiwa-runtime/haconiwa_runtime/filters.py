"""Which containers a list is about."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple, get_args

from haconiwa_core.options import suggestion
from haconiwa_runtime.recorded import LIVE, Found, State

_VALUES: Mapping[str, Callable[[Found], str]] = {
    "state": lambda found: found.state,
    "reason": lambda found: found.record.reason,
    "name": lambda found: found.record.name,
    "definition": lambda found: str(found.record.container.get("name", "")),
}
_STATES = get_args(State)


class Filter(NamedTuple):
    """What a container must be like.

    Args:
        key: "state", "reason", "name" or "definition".
        pattern: of its value, with the wildcards of fnmatch(3).
    """

    key: str
    pattern: str


def parsed(text: str) -> Filter:
    """Return the filter that a word of the command line is, such as "state=exited"."""
    key, equals, pattern = text.partition("=")
    if not equals or key not in _VALUES:
        hint = suggestion(key, list(_VALUES))
        known = ", ".join(f"{each}=..." for each in _VALUES)
        raise ArgumentTypeError(f"{text!r} is none of {known}" + (f"; {hint}" if hint else ""))
    if key == "state" and not any(fnmatchcase(state, pattern) for state in _STATES):
        raise ArgumentTypeError(f"no container is {pattern!r}; states are {', '.join(_STATES)}")
    return Filter(key, pattern)


def wanted(found: Found, filters: Sequence[Filter], *, ended: bool) -> bool:
    """Return whether a container is one that filters let through: for each key, one of them must.

    Args:
        found: the container.
        filters: none lets any through.
        ended: also those that have ended; a filter of state or reason says itself which.
    """
    patterns: defaultdict[str, list[str]] = defaultdict(list)
    for item in filters:
        patterns[item.key].append(item.pattern)
    if not (ended or patterns.keys() & {"state", "reason"} or found.state in ("starting", *LIVE)):
        return False
    return all(any(fnmatchcase(_VALUES[key](found), each) for each in some) for key, some in patterns.items())

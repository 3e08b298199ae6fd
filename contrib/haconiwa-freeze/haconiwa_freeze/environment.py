"""Which distributions count: the core, those that extend it or are built on it, and all that they need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from haconiwa_core.errors import HaconiwaError

CORE = "haconiwa-core"
_OURS = "haconiwa."


def counted(path: Sequence[str]) -> dict[str, Distribution]:
    """Return the distributions that count, by their normalised names (PEP 503), in the order of these.

    Args:
        path: folders that are searched, as in `sys.path`; the first of two distributions of one name hides the other.

    Raises:
        HaconiwaError: one is needed and not installed.
    """
    installed: dict[str, Distribution] = {}
    for found in distributions(path=list(path)):
        installed.setdefault(canonicalize_name(found.name), found)
    names = [name for name, found in installed.items() if name == CORE or _extends(found)]
    missing: list[str] = []
    # With each name, the extras that somebody asks for.
    waiting = [(name, "") for name in names]
    seen = set(waiting)
    while waiting:
        name, extra = waiting.pop()
        for requirement in _needed(installed[name], extra):
            needed = canonicalize_name(requirement.name)
            if needed not in installed:
                missing.append(f"{name} needs {requirement.name}, which is not installed")
                continue
            more = {(needed, each) for each in ("", *requirement.extras)} - seen
            seen |= more
            waiting += more
    if missing:
        raise HaconiwaError("\n".join(sorted(missing)))
    return {name: installed[name] for name in sorted({name for name, _ in seen})}


def _extends(distribution: Distribution) -> bool:
    """Return whether a distribution is found by the core, or uses it, as a library of hooks does."""
    needed = (Requirement(text) for text in distribution.requires or ())
    return any(point.group.startswith(_OURS) for point in distribution.entry_points) or any(
        canonicalize_name(requirement.name) == CORE for requirement in needed
    )


def _needed(distribution: Distribution, extra: str) -> Iterator[Requirement]:
    for text in distribution.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement

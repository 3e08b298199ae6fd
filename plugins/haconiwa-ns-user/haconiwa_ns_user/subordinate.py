"""Ids that the host gives to a user beside his own, for user namespaces: /etc/subuid and /etc/subgid (subuid(5))."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.facts import IdRange
from haconiwa_core.linux.id_maps import subordinate_ranges
from haconiwa_core.planning.context import Planning

FILES = {"uid_map": "/etc/subuid", "gid_map": "/etc/subgid"}
"""Where the ranges of each option stand."""


def automatic(option: str, own: int, planning: Planning) -> tuple[IdRange, ...]:
    """Return all ids that the caller may map: an ordinary user's own as 0, then those that a file gives to him.

    Root's own is left out: user 0 of the container would be root of the host.

    Args:
        option: "uid_map" or "gid_map".
        own: the caller's uid or gid.
        planning: of the container.

    Raises:
        DefinitionError: the file gives the caller nothing, or cannot be read.
    """
    subordinate = _given(option, planning)
    if not subordinate:
        user = _names(planning)[0]
        raise DefinitionError([Problem(f"{FILES[option]} gives no ids to {user}", key=option, hint=_remedy(user))])
    found = [] if planning.host.uid == 0 else [IdRange(0, own)]
    for first, count in subordinate:
        found.append(IdRange(sum(part.count for part in found), first, count))
    return tuple(found)


def refused(option: str, ranges: Sequence[IdRange], own: int, planning: Planning) -> Iterator[Problem]:
    """Yield which ranges newuidmap(1) or newgidmap(1) would refuse an ordinary user; the arguments are as above.

    Raises:
        DefinitionError: the file cannot be read.
    """
    beside = {index: part for index, part in enumerate(ranges) if (part.outside, part.count) != (own, 1)}
    subordinate = _given(option, planning) if beside else []
    for index, part in beside.items():
        if not any(
            first <= part.outside and part.outside + part.count <= first + count for first, count in subordinate
        ):
            told = ", ".join(f"{first}-{first + count - 1}" for first, count in subordinate) or "nothing"
            lacks = "CAP_SETUID" if option == "uid_map" else "CAP_SETGID"
            text = f"without {lacks} one may map one's own id, {own}, and what {FILES[option]} gives: {told}"
            hint = 'map those, or write "auto"' if subordinate else _remedy(_names(planning)[0])
            yield Problem(text, key=f"{option}[{index}]", hint=hint)


def _given(option: str, planning: Planning) -> list[tuple[int, int]]:
    """Return first id and count of each range of the caller's."""
    names = _names(planning)
    try:
        text = planning.read_on_host(FILES[option]).decode(errors="replace")
    except DefinitionError as error:
        hint = _remedy(names[0])
        raise DefinitionError([problem._replace(key=option, hint=hint) for problem in error.problems]) from error
    return subordinate_ranges(text, names)


def _names(planning: Planning) -> list[str]:
    """Return how the file may call the caller: by his name, if he has one, or by his number."""
    host = planning.host
    return [*(name for name, (uid, _) in host.users.items() if uid == host.uid), str(host.uid)]


def _remedy(user: str) -> str:
    ranges = "--add-subuids 100000-165535 --add-subgids 100000-165535"
    return f"leave it out, which maps one id, or as root: usermod {ranges} {user}"

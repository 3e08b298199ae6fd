"""The lines of the matrix."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

State = Literal["holds", "weak", "fails", "unasked", "unknown"]


class Row(NamedTuple):
    """One line of the matrix. Texts are for people; `section`, `what` and `state` are stable.

    Args:
        section: the plugin that stands for it; "core" where none does.
        what: a key that occurs once in a matrix: "pid namespace", "cgroup memory", "effective capabilities".
        asked: by the definition, as it is in force; "" where it asks for nothing.
        in_force: what the kernel says; "" where it does not.
        host: the same of the process that has started the container; "" where nothing can be said.
        verified: how it is known: "/proc/PID/ns/pid", "tried: mount(2) is EPERM".
        state: "holds", or "fails" where something else is in force than was asked for; "weak" where less was asked
            for than the definition would have, which is then content with the best that there is
            (`require = "best-effort"`); "unasked"; "unknown" where it was asked for and nobody can tell.
    """

    section: str
    what: str
    asked: str
    in_force: str
    host: str
    verified: str
    state: State


def compared(section: str, what: str, asked: str, in_force: str, host: str, verified: str) -> Row:
    """Return a row that holds where what is in force is what was asked for; its arguments are those of Row."""
    state: State = "unasked" if not asked else "holds" if in_force == asked else "fails"
    return Row(section, what, asked, in_force, host, verified, state)


def unknown(section: str, what: str, asked: str, why: str) -> Row:
    """Return a row about what cannot be read back, and why; its other arguments are those of Row."""
    return Row(section, what, asked, "", "", why, "unknown" if asked else "unasked")


class Isolation(tuple[Row, ...]):
    """The rows of a matrix, in the order of their sections."""

    __slots__ = ()

    def holds(self, *what: str) -> bool:
        """Return whether all of these are in force as they were asked for; what has no row does not hold.

        Args:
            what: of rows, such as "pid namespace".
        """
        held = {row.what for row in self if row.state == "holds"}
        return held.issuperset(what)

    @property
    def fails(self) -> tuple[Row, ...]:
        """The rows of what was asked for and is not in force."""
        return tuple(row for row in self if row.state == "fails")

    def to_json(self) -> list[dict[str, str]]:
        """Return the rows as data that json can write."""
        return [row._asdict() for row in self]


def lines_of(values: Iterable[object]) -> str:
    """Return values as one text, in their order; "none" without any."""
    return ", ".join(map(str, values)) or "none"

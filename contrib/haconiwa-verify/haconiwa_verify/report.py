"""The isolation matrix of a container, with what was tried."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from haconiwa_core.isolation.kernel import CORE
from haconiwa_core.isolation.rows import Isolation, Row, unknown
from haconiwa_verify.asked import KEYRING, TERMINAL
from haconiwa_verify.attempt import Outcome

_DENIED, _PERMITTED = "denied", "permitted"
_OWN_ROWS = (KEYRING, TERMINAL)


class Report(NamedTuple):
    """What is known of a container.

    Args:
        container: its name.
        rows: of the matrix: read back, and tried where an attempt speaks for one.
        outcomes: of all attempts.
    """

    container: str
    rows: Isolation
    outcomes: tuple[Outcome, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing that was asked for is known not to hold, and the probe has answered."""
        return not self.rows.fails and all(outcome.result != "unanswered" for outcome in self.outcomes)

    @property
    def permitted(self) -> tuple[Outcome, ...]:
        """What was done, and nothing has asked that it is denied."""
        asked = {row.what for row in self.rows if row.asked}
        return tuple(item for item in self.outcomes if item.result == "succeeded" and not asked.intersection(item.rows))


def reported(container: str, read_back: Sequence[Row], outcomes: Sequence[Outcome]) -> Report:
    """Return a report of rows that were read back, and of what was tried."""
    promised = {row for outcome in outcomes for row in outcome.rows}
    own = (unknown(CORE, what, _DENIED if what in promised else "", "") for what in _OWN_ROWS)
    rows = Isolation(_with(row, [item for item in outcomes if row.what in item.rows]) for row in (*read_back, *own))
    return Report(container, rows, tuple(outcomes))


def _with(row: Row, outcomes: Sequence[Outcome]) -> Row:
    """Return a row with what was tried; one thing that was done is enough for it to fail."""
    # Nobody relies on what the definition lets be left out.
    if row.state in ("unasked", "weak"):
        return row
    done = [item.name for item in outcomes if item.result == "succeeded"]
    denied = [item.name for item in outcomes if item.result == "denied"]
    verified = "; ".join(filter(None, (row.verified, _tried(_PERMITTED, done), _tried(_DENIED, denied))))
    if done:
        in_force = row.in_force if row.state == "holds" else row.in_force or _PERMITTED
        return row._replace(in_force=in_force, verified=verified, state="fails")
    if denied and row.state == "unknown":
        return row._replace(in_force=row.in_force or _DENIED, verified=verified, state="holds")
    return row._replace(verified=verified)


def _tried(how: str, names: Iterable[str]) -> str:
    listed = ", ".join(names)
    return f"tried, {how}: {listed}" if listed else ""

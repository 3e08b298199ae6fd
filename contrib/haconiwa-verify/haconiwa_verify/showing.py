"""A report, for people and for programs."""

from __future__ import annotations

from haconiwa_display import Row as Line, Style, print_table

from haconiwa_core.cli.output import print_line
from haconiwa_core.isolation.rows import Row, State
from haconiwa_verify.report import Report

_LONGEST = 40
"""Of what is shown in a column but the last; programs are told all."""

_STYLES: dict[State, Style] = {"holds": "good", "fails": "bad", "unasked": "weak", "weak": "", "unknown": ""}
_RESULTS: dict[str, Style] = {"denied": "good", "succeeded": "weak", "untold": "weak", "unanswered": "bad"}
_COUNTED: dict[State, str] = {"holds": "hold", "fails": "fail", "weak": "are weak", "unknown": "cannot be told"}


def as_data(report: Report) -> dict[str, object]:
    """Return a report as json can write it."""
    return {
        "container": report.container,
        "holds": report.holds,
        "rows": report.rows.to_json(),
        "attempts": [outcome._asdict() for outcome in report.outcomes],
    }


def show(report: Report) -> None:
    """Print a report: how many rows hold, all rows, all attempts, and what was permitted."""
    states = [row.state for row in report.rows]
    counts = (
        f"{states.count(state)} {text}" for state, text in _COUNTED.items() if state in states or state == "fails"
    )
    print_line(f"{report.container}: {', '.join(counts)}")
    header = ("SECTION", "WHAT", "STATE", "ASKED", "IN FORCE", "HOST", "VERIFIED BY")
    print_table(header, [Line(_cells(row), _STYLES[row.state]) for row in report.rows])
    print_line("")
    tried = [((item.name, item.result, item.what, item.how or "-"), item) for item in report.outcomes]
    print_table(("ATTEMPT", "RESULT", "WHAT", "HOW"), [Line(cells, _RESULTS[item.result]) for cells, item in tried])
    if report.permitted:
        names = ", ".join(item.name for item in report.permitted)
        print_line(f"\npermitted, and nothing asks that it is denied: {names}")


def _cells(row: Row) -> tuple[str, ...]:
    return (row.section, row.what, row.state, *map(_shown, (row.asked, row.in_force, row.host)), row.verified)


def _shown(text: str) -> str:
    return (text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}...") or "-"

"""What was tried, and what was read back, make one row."""

import pytest
from haconiwa_verify.asked import KEYRING
from haconiwa_verify.attempt import Outcome
from haconiwa_verify.report import reported

from haconiwa_core.isolation.rows import Row, compared, unknown

PID = "pid namespace"


def outcome(result, *rows, name="signal-process"):
    return Outcome(name, "send a signal", result, "ESRCH", rows)


def row_of(report, what=PID):
    (found,) = [row for row in report.rows if row.what == what]
    return found


def read_back(asked="own", in_force="own"):
    return compared("ns-pid", PID, asked, in_force, "", "/proc/PID/ns/pid")


@pytest.mark.parametrize(
    ("row", "result", "state"),
    [
        (read_back(), "denied", "holds"),
        (read_back(), "succeeded", "fails"),
        (read_back(), "untold", "holds"),
        (read_back(), "unanswered", "holds"),
        (read_back(in_force="the host's"), "denied", "fails"),
        (read_back(asked=""), "succeeded", "unasked"),
        (read_back(asked=""), "denied", "unasked"),
        (unknown("ns-pid", PID, "own", "nobody tells"), "denied", "holds"),
        (unknown("ns-pid", PID, "own", "nobody tells"), "succeeded", "fails"),
        (unknown("ns-pid", PID, "own", "nobody tells"), "untold", "unknown"),
        (unknown("ns-pid", PID, "", "nobody tells"), "denied", "unasked"),
        (read_back()._replace(state="weak"), "succeeded", "weak"),
        (read_back()._replace(state="weak"), "denied", "weak"),
    ],
)
def test_states(row, result, state):
    report = reported("web", [row], [outcome(result, PID)])
    assert row_of(report).state == state
    assert report.holds is (state != "fails" and result != "unanswered")


def test_what_speaks_for_another_row_changes_nothing():
    report = reported("web", [read_back()], [outcome("succeeded", "mount namespace")])
    assert row_of(report) == read_back()


def test_one_success_is_enough():
    outcomes = [outcome("denied", PID), outcome("succeeded", PID, name="trace-process"), outcome("denied", PID)]
    row = row_of(reported("web", [read_back()], outcomes))
    assert row.state == "fails"
    assert row.verified.startswith("/proc/PID/ns/pid; tried, permitted: trace-process; tried, denied: signal-process")


def test_rows_of_others_stay():
    other = Row("lamp", "light", "on", "on", "off", "looked at", "holds")
    assert row_of(reported("web", [other], []), "light") == other


@pytest.mark.parametrize(("result", "state"), [("denied", "holds"), ("succeeded", "fails"), ("untold", "unknown")])
def test_what_nothing_but_an_attempt_tells(result, state):
    row = row_of(reported("web", [], [outcome(result, KEYRING)]), KEYRING)
    assert (row.section, row.state) == ("core", state)


def test_what_nobody_asks_to_be_denied():
    outcomes = [
        outcome("succeeded", name="clock"),
        outcome("succeeded", "user", name="bpf"),
        outcome("succeeded", PID, name="trace-process"),
        outcome("denied", name="mount"),
    ]
    report = reported("web", [read_back(), compared("credentials", "user", "", "0", "0", "")], outcomes)
    assert [item.name for item in report.permitted] == ["clock", "bpf"]

"""Why a container has ended: what the wait status says, weighed against what its features have published."""

from __future__ import annotations

import os
import signal

import pytest

from haconiwa_core.runtime.processes import End
from haconiwa_core.runtime.reasons import with_reason
from haconiwa_core.runtime.record import Process, Record
from haconiwa_core.runtime.store import note_asked

KILLED = End(137, "signaled", None)
ENDED = End(143, "signaled", None)
FAILED = End(3, "exited", None)


def record(folder, **raised):
    """Return a record whose counters of these reasons have these values."""
    counters = []
    for reason, value in raised.items():
        (folder / reason).write_text(f"low 5\nmax {value}\n")
        counters.append((reason, str(folder / reason), "max"))
    return Record(
        "web",
        {},
        "",
        0.0,
        "running",
        "end",
        Process.of_this(),
        counters=(*counters, ("gone", str(folder / "nothing"), "max")),
        signals=(("filter", signal.SIGSYS),),
    )


@pytest.mark.parametrize(
    ("end", "raised", "expected"),
    [
        (KILLED, {}, ("signaled", "fact")),
        (KILLED, {"oom": 0}, ("signaled", "fact")),
        (KILLED, {"oom": 1}, ("oom", "fact")),
        (End(137, "exited", None), {"oom": 1}, ("oom", "likely")),
        (ENDED, {"oom": 1}, ("oom", "likely")),
        (FAILED, {"oom": 2}, ("oom", "likely")),
        (FAILED, {"oom": 0, "pids": 1}, ("pids", "likely")),
        (KILLED, {"pids": 1}, ("pids", "likely")),
        (FAILED, {"oom": 1, "pids": 1}, ("oom", "likely")),
        (End(159, "signaled", None), {}, ("filter", "likely")),
        (End(159, "exited", None), {"oom": 1}, ("filter", "likely")),
    ],
)
def test_what_is_said(tmp_path, end, raised, expected) -> None:
    found = with_reason(end, record(tmp_path, **raised), tmp_path)
    assert (found.reason, found.certainty) == expected
    assert found.exit_status == end.exit_status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_who_was_asked_and_has_ended_has_no_other_reason(tmp_path, number) -> None:
    note_asked(tmp_path, number)
    for end in (ENDED, FAILED):
        assert with_reason(end, record(tmp_path, oom=1), tmp_path) == end
    # Nobody has sent SIGKILL but the kernel.
    assert with_reason(KILLED, record(tmp_path, oom=1), tmp_path).reason == "oom"


def test_who_was_killed_has_no_other_reason(tmp_path) -> None:
    note_asked(tmp_path)
    assert with_reason(KILLED, record(tmp_path, oom=1), tmp_path) == KILLED


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGCONT])
def test_other_signals_ask_for_nothing(tmp_path, number) -> None:
    note_asked(tmp_path, number)
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_noted_keeps_nobody_from_it(tmp_path) -> None:
    note_asked(tmp_path / "gone")
    (tmp_path / "killed").symlink_to(tmp_path / "elsewhere")
    note_asked(tmp_path)
    assert os.listdir(tmp_path) == ["killed"]

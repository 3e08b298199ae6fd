"""Why a container has ended, and how sure that is: the wait status, weighed against what the kernel has counted."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from haconiwa_core.linux.cgroups import read_counter
from haconiwa_core.runtime.processes import End
from haconiwa_core.runtime.record import Record
from haconiwa_core.runtime.store import ASKED_NAME, KILLED_NAME

_BY_SIGNAL = 128
_OOM = "oom"


def with_reason(end: End, record: Record, directory: Path) -> End:
    """Return how a container has ended, with the reason behind its wait status where something tells of one.

    A fact is what the kernel has told of this very end. That something happened to the container at some time,
    and that it failed at another, makes a reason likely.

    Args:
        end: as the wait status tells it, which is not 0.
        record: with the signals and counters that its features have published.
        directory: the instance's own.
    """
    for reason, number in record.signals:
        # Any process may send the signal that the kernel ends it by. A shell or an init passes it on as a status.
        if end.exit_status == _BY_SIGNAL + number:
            return end._replace(reason=reason, certainty="likely")
    raised = next((reason for reason, path, field in record.counters if read_counter(path, field)), None)
    asked, killed = (os.path.lexists(directory / name) for name in (ASKED_NAME, KILLED_NAME))
    if raised is None or killed:
        return end
    if raised == _OOM and (end.reason, end.exit_status) == ("signaled", _BY_SIGNAL + signal.SIGKILL):
        return end._replace(reason=raised, certainty="fact")
    return end if asked else end._replace(reason=raised, certainty="likely")

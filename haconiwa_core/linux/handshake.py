"""The child's side of the handshake: it reports, waits for one byte, and ends if nobody is there."""

from __future__ import annotations

import struct

from haconiwa_core.launch.processes import RECORD
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import CLOCK_MONOTONIC
from haconiwa_core.linux.vocabulary import Operations, lowers
from haconiwa_core.operation import Buffer, Operation, Part, Slot
from haconiwa_core.stages import Stage

__all__ = ["CHANNEL", "RECORD", "TIMED_REPORT", "note_time", "report_exec", "times_in", "wait_at_gate"]

CHANNEL = Slot("channel")

_TIMESPEC = struct.Struct("qq")
_SECOND = 10**9

TIMED_REPORT = RECORD.pack(Stage.EXEC, 0) + bytes(_TIMESPEC.size * len(Stage))
"""What reports EXEC, before any time is noted in it."""


@lowers
def wait_at_gate(stage: int) -> Operations:
    """Tell the host that a stage is reached, and wait for its go; end of file fails."""
    yield Operation(Call.write, (CHANNEL, RECORD.pack(stage, 0), RECORD.size), returns=RECORD.size)
    yield Operation(Call.read, (CHANNEL, Buffer(1), 1), returns=1)


@lowers
def note_time(stage: int) -> Operations:
    """Note when a stage begins, for `report_exec` (clock_gettime(2), CLOCK_MONOTONIC)."""
    place = RECORD.size + _TIMESPEC.size * stage
    yield Operation(Call.clock_gettime, (CLOCK_MONOTONIC, Part(TIMED_REPORT, place)))


@lowers
def report_exec() -> Operations:
    """Tell the host that EXEC is reached, and when the stages have begun whose times were noted."""
    size = len(TIMED_REPORT)
    yield Operation(Call.write, (CHANNEL, Part(TIMED_REPORT), size), returns=size)


def times_in(message: bytes) -> dict[Stage, int]:
    """Return when stages have begun, in nanoseconds of the child's monotonic clock, as a report tells."""
    times = _TIMESPEC.iter_unpack(message[RECORD.size :])
    noted = zip(Stage, times, strict=False)
    return {stage: _SECOND * seconds + rest for stage, (seconds, rest) in noted if seconds or rest}

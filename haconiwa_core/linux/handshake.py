"""The child's side of the handshake: it reports, waits for one byte, and ends if nobody is there."""

from __future__ import annotations

from haconiwa_core.launch.processes import RECORD
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.vocabulary import Operations, lowers
from haconiwa_core.operation import Buffer, Operation, Slot

__all__ = ["CHANNEL", "RECORD", "report", "wait_at_gate"]

CHANNEL = Slot("channel")


@lowers
def report(stage: int) -> Operations:
    """Tell the host that a stage is reached."""
    yield Operation(Call.write, (CHANNEL, RECORD.pack(stage, 0), RECORD.size), returns=RECORD.size)


@lowers
def wait_at_gate(stage: int) -> Operations:
    """Tell the host that a stage is reached, and wait for its go; end of file fails."""
    yield from report(stage)
    yield Operation(Call.read, (CHANNEL, Buffer(1), 1), returns=1)

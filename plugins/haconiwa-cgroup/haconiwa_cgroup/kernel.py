"""What the child does: enter a control group whose file the host has opened."""

from __future__ import annotations

from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.vocabulary import Operations, lowers
from haconiwa_core.operation import Operation, Slot

_ITSELF = b"0"


@lowers
def enter_group(processes: Slot) -> Operations:
    """Move the process into a group (cgroups(7)). The rights are those of whoever has opened the file.

    Args:
        processes: descriptor of the group's cgroup.procs.
    """
    yield Operation(Call.write, (processes, _ITSELF, len(_ITSELF)), returns=len(_ITSELF))
    yield Operation(Call.close, (processes,))

"""The processes of a program: each is cloned by its first instruction from the one before it."""

from __future__ import annotations

import _socket  # The module socket would be a fifth of the zygote.
import os
import struct
from collections.abc import Sequence

from haconiwa_core.launch.interpreter import Fields, Kernel, Memory, run

RECORD = struct.Struct("ii")
"""(stage, 0) for a report, (instruction, code) for a failure, (process, pid) with its pidfd for a clone."""

LAST_DESCRIPTOR = 2**31 - 1
_FAILED = 125
_NOTHING = 1
_DESCRIPTOR = struct.Struct("i")


def run_processes(
    processes: Sequence[Sequence[Fields]],
    memory: Memory,
    slots: list[int],
    places: tuple[int, int],
    channel: int,
    kernel: Kernel,
    own: int | None = None,
) -> None:
    """Run each process's instructions in the clone of the one before; return in the calling process only.

    Args:
        processes: of the program.
        memory: the program's data.
        slots: what they hold, by index.
        places: which of them take what clone returns and its pidfd.
        channel: the descriptor on which failures are reported, and (process, pid) for each clone.
        kernel: runs the calls.
        own: descriptor of the calling process, which what it clones must not have.
    """
    clone, pidfd = places
    start = 0
    is_clone = False
    try:
        for process, instructions in enumerate(processes):
            failure = run(instructions[:1], memory, slots, kernel)
            if not failure and slots[clone] > 0:
                tell(channel, process, slots[clone], slots[pidfd])
                if is_clone:
                    os._exit(0)
                os.close(slots[pidfd])
                return
            if not failure:
                if own is not None and not is_clone:
                    # Not closed: whatever the program opens next would take its number.
                    os.dup2(_NOTHING, own)
                is_clone = True
                failure = run(instructions, memory, slots, kernel, first=1)
            if failure:
                index, code = failure
                tell(channel, start + index, code)
                return
            start += len(instructions)
    finally:
        # Whatever happens in a clone, it never goes on as its parent does.
        if is_clone:
            os._exit(_FAILED)


def tell(channel: int, number: int, code: int, *descriptors: int) -> None:
    """Send a record, with descriptors; nothing happens when whoever asked for the start has gone."""
    sender = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, channel)
    passed = b"".join(map(_DESCRIPTOR.pack, descriptors))
    ancillary = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, passed)] if passed else []
    try:
        sender.sendmsg([RECORD.pack(number, code)], ancillary, _socket.MSG_NOSIGNAL)
    except (BrokenPipeError, ConnectionResetError):
        return
    finally:
        sender.detach()

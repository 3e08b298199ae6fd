"""The zygote: serve a supervisor until it closes descriptor 0; each message is a start.

The interpreter that runs this has nothing else to do. Whatever it needs is imported here, and is
little, for each start copies the map of its memory.
"""

from __future__ import annotations

import _socket
import ctypes
import gc
import os
import struct
import sys
from errno import EPROTO

from haconiwa_core.launch.encoding import Decoded, decode
from haconiwa_core.launch.interpreter import Kernel, Memory, linux_kernel
from haconiwa_core.launch.processes import LAST_DESCRIPTOR, run_processes, tell

_SOCKET = 0
_NUMBER = struct.Struct("i")
_DESCRIPTORS = 253
_MESSAGE = (_DESCRIPTORS + 2) * _NUMBER.size
_CONTROL = _socket.CMSG_SPACE(_DESCRIPTORS * _NUMBER.size)
_MAXIMUM_SIZE = 1 << 24
_MAXIMUM_KNOWN = 16
_PR_SET_DUMPABLE = 4


def main() -> None:
    """Take nothing over from the supervisor, import nothing from now on, and serve."""
    os.closerange(3, LAST_DESCRIPTOR)
    os.chdir("/")
    # Nobody without CAP_SYS_PTRACE may look into it. An ordinary user's stays open until the ids of
    # its child are mapped, for that is done through files of /proc.
    if os.geteuid() == 0:
        ctypes.PyDLL(None).prctl(_PR_SET_DUMPABLE, 0)
    sys.path.clear()
    gc.disable()
    _serve()


def _serve() -> None:
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, _SOCKET)
    kernel = linux_kernel()
    known: dict[bytes, Decoded] = {}
    while True:
        message, ancillary, flags, _ = connection.recvmsg(_MESSAGE, _CONTROL, _socket.MSG_CMSG_CLOEXEC)
        if not message:
            return
        descriptors = [number for *_, data in ancillary for (number,) in _NUMBER.iter_unpack(data)]
        whole = not flags & _socket.MSG_CTRUNC and len(message) == (len(descriptors) + 1) * _NUMBER.size
        # Two places and one for each descriptor but the program's: anything else is no request.
        if whole and len(descriptors) > 1:
            _start([place for (place,) in _NUMBER.iter_unpack(message)], descriptors, known, kernel)
        for descriptor in descriptors:
            os.close(descriptor)


def _start(places: list[int], descriptors: list[int], known: dict[bytes, Decoded], kernel: Kernel) -> None:
    """Start a program.

    Args:
        places: the slots of what clone returns, of its pidfd, and of each descriptor after the first.
        descriptors: the program in a memory file, the channel, and what else the program needs.
        known: programs that were decoded before, by their bytes.
        kernel: runs the calls.
    """
    file, channel, *_ = descriptors
    clone, pidfd, *given = places
    try:
        processes, data, slot_count = _decoded(file, known)
        if not all(0 <= place < slot_count for place in places):
            raise ValueError("no slot of the program")
    except (OSError, ValueError):
        tell(channel, 0, EPROTO)
        return
    slots = [-1] * slot_count
    for place, descriptor in zip(given, descriptors[1:], strict=True):
        slots[place] = descriptor
    run_processes(processes, Memory(data), slots, (clone, pidfd), channel, kernel, own=_SOCKET)


def _decoded(file: int, known: dict[bytes, Decoded]) -> Decoded:
    """Return the program in a file; it is decoded when its very bytes come for the first time.

    Raises:
        OSError: the file cannot be read so.
        ValueError: it holds no program.
    """
    # Not from where it stands: the supervisor sends it again and again.
    content = os.pread(file, min(os.fstat(file).st_size, _MAXIMUM_SIZE), 0)
    if content not in known:
        if len(known) == _MAXIMUM_KNOWN:
            del known[next(iter(known))]
        known[content] = decode(content)
    return known[content]

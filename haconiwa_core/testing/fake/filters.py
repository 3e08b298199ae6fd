"""System call filters, in the fake kernel (seccomp(2))."""

from __future__ import annotations

import ctypes
import errno
import struct

from haconiwa_core.linux import constants as c
from haconiwa_core.testing.fake.files import refuse
from haconiwa_core.testing.fake.state import State

_SET_MODE_FILTER = 1
_FLAGS = 0x3F
_DESCRIPTION = struct.Struct("HxxxxxxQ")
_MAXIMUM_LENGTH = 4096
_INSTRUCTION_SIZE = 8
_NEW_LISTENER = 8
_MESSAGE = struct.Struct("QIxxxxQQQQixxxx")
_CONTROL_SIZE = 16
"""Of a struct cmsghdr, which stands before what is passed."""


class FilterCalls(State):
    """Loading filters, and passing on their listeners. Filters are kept; nothing is denied by them."""

    filters: tuple[bytes, ...] = ()

    def _seccomp(self, operation: int, flags: int, description: int) -> int:
        if operation != _SET_MODE_FILTER or flags & ~_FLAGS:
            refuse(errno.EINVAL)
        length, program = _DESCRIPTION.unpack(ctypes.string_at(description, _DESCRIPTION.size))
        if not 0 < length <= _MAXIMUM_LENGTH:
            refuse(errno.EINVAL)
        if not (self.no_new_privileges or self.has(c.CAP_SYS_ADMIN)):
            refuse(errno.EACCES)
        self.filters = (*self.filters, ctypes.string_at(program, length * _INSTRUCTION_SIZE))
        return self.open("listener") if flags & _NEW_LISTENER else 0

    def _sendmsg(self, descriptor: int, message: int) -> int:
        self.descriptor(descriptor)
        _, _, parts, count, control, size, _ = _MESSAGE.unpack(ctypes.string_at(message, _MESSAGE.size))
        passed = ctypes.string_at(control, size)[_CONTROL_SIZE:]
        for (number,) in struct.iter_unpack("i", passed):
            self.descriptor(number)
        return sum(length for _, length in struct.iter_unpack("QQ", ctypes.string_at(parts, 16 * count)))

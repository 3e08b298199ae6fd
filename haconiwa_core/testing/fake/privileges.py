"""Capabilities and other rights of the process, in the fake kernel (capabilities(7), prctl(2), capset(2))."""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Callable

from haconiwa_core.linux import constants as c
from haconiwa_core.testing.fake.files import refuse
from haconiwa_core.testing.fake.state import EVERY_CAPABILITY, LAST_CAPABILITY, State, write_at

_NO_SETUID_FIXUP, _KEEP_CAPS, _NO_AMBIENT_RAISE = 1 << 2, 1 << 4, 1 << 6
_SECURE_BITS, _SECURE_LOCKS = 0x55, 0xAA


class PrivilegeCalls(State):
    """Calls by which a process changes its rights."""

    adopts_orphans = False

    def _prctl(self, option: int, first: int, second: int) -> int:
        if option == c.PR_SET_NO_NEW_PRIVS:
            self.no_new_privileges = True
        if option == c.PR_SET_CHILD_SUBREAPER:
            self.adopts_orphans = bool(first)
        handlers: dict[int, Callable[[], int | None]] = {
            c.PR_GET_NO_NEW_PRIVS: lambda: int(self.no_new_privileges),
            c.PR_GET_CHILD_SUBREAPER: lambda: write_at(first, struct.pack("i", self.adopts_orphans)),
            c.PR_CAPBSET_READ: lambda: self.bounding >> _valid(first) & 1,
            c.PR_CAPBSET_DROP: lambda: self._drop_from_bounding_set(first),
            c.PR_GET_SECUREBITS: lambda: self.secure_bits,
            c.PR_SET_SECUREBITS: lambda: self._set_secure_bits(first),
            c.PR_CAP_AMBIENT: lambda: self._change_ambient_set(first, second),
        }
        handler = handlers.get(option)
        return handler() or 0 if handler else 0

    def _capget(self, header: int, output: int) -> None:
        self._check_version(header)
        sets = (self.effective, self.permitted, self.inheritable)
        low, high = ([each >> shift & 0xFFFFFFFF for each in sets] for shift in (0, 32))
        write_at(output, struct.pack("6I", *low, *high))

    def _capset(self, header: int, data: int) -> None:
        self._check_version(header)
        words = struct.unpack("6I", ctypes.string_at(data, 24))
        effective, permitted, inheritable = (
            (low | high << 32) & EVERY_CAPABILITY for low, high in zip(words[:3], words[3:], strict=True)
        )
        may_inherit = self.inheritable | self.bounding
        if not self.has(c.CAP_SETPCAP):
            may_inherit &= self.inheritable | self.permitted
        if inheritable & ~may_inherit or permitted & ~self.permitted or effective & ~permitted:
            refuse(errno.EPERM)
        self.effective, self.permitted, self.inheritable = effective, permitted, inheritable
        self.ambient &= permitted & inheritable

    def change_capabilities_with_user(self, former: int) -> None:
        """Let the sets follow a change of all user ids, as "Effect of user ID changes" in capabilities(7) has it."""
        if self.secure_bits & _NO_SETUID_FIXUP:
            return
        if former == 0 and self.uid:
            self.permitted = self.permitted if self.secure_bits & _KEEP_CAPS else 0
            self.effective = self.ambient = 0
        if former and self.uid == 0:
            self.effective = self.permitted

    def _drop_from_bounding_set(self, capability: int) -> None:
        if not self.has(c.CAP_SETPCAP):
            refuse(errno.EPERM)
        self.bounding &= ~(1 << _valid(capability))

    def _set_secure_bits(self, bits: int) -> None:
        locked = (self.secure_bits & _SECURE_LOCKS) >> 1
        if (
            not self.has(c.CAP_SETPCAP)
            or (self.secure_bits ^ bits) & locked
            or self.secure_bits & _SECURE_LOCKS & ~bits
            or bits & ~(_SECURE_BITS | _SECURE_LOCKS)
        ):
            refuse(errno.EPERM)
        self.secure_bits = bits

    def _change_ambient_set(self, action: int, capability: int) -> int:
        if action == c.PR_CAP_AMBIENT_CLEAR_ALL and not capability:
            self.ambient = 0
            return 0
        bit = 1 << _valid(capability)
        if action == c.PR_CAP_AMBIENT_IS_SET:
            return int(bool(self.ambient & bit))
        if action != c.PR_CAP_AMBIENT_RAISE:
            refuse(errno.EINVAL)
        if not bit & self.permitted & self.inheritable or self.secure_bits & _NO_AMBIENT_RAISE:
            refuse(errno.EPERM)
        self.ambient |= bit
        return 0

    def _check_version(self, header: int) -> None:
        version, pid = struct.unpack("Ii", ctypes.string_at(header, 8))
        if version != c.LINUX_CAPABILITY_VERSION_3:
            refuse(errno.EINVAL)
        if pid:
            refuse(errno.EPERM)


def _valid(capability: int) -> int:
    """Return a capability that the kernel knows, or refuse."""
    return capability if 0 <= capability <= LAST_CAPABILITY else refuse(errno.EINVAL)

"""Landlock, in the fake kernel (landlock(7))."""

from __future__ import annotations

import ctypes
import errno
import struct
from dataclasses import dataclass, field

from haconiwa_core.testing.fake.files import refuse
from haconiwa_core.testing.fake.state import Descriptor, State

_FILES, _PORTS, _SCOPES = (1 << 16) - 1, 0b11, 0b11
_ON_FILES = 0b1100_0000_0000_0111
"""What can be granted on a file: execute, write, read, truncate, ioctl."""
_PATH_BENEATH, _NET_PORT = 1, 2
_SMALLEST, _LARGEST = 8, 24


@dataclass(eq=False)
class Ruleset(Descriptor):
    """What is denied, and what is allowed of it.

    Args:
        denied: access to files, use of ports, scopes, as bit masks.
        paths: access by path.
        ports: use by port.
    """

    denied: tuple[int, int, int] = (0, 0, 0)
    paths: dict[str, int] = field(default_factory=dict)
    ports: dict[int, int] = field(default_factory=dict)


class LandlockCalls(State):
    """Calls of Landlock. What is in force is kept; it denies nothing here."""

    domains: tuple[Ruleset, ...] = ()
    """The rulesets in force."""

    def _landlock_create_ruleset(self, attributes: int, size: int, flags: int) -> int:
        if flags or size < _SMALLEST:
            refuse(errno.EINVAL)
        content = ctypes.string_at(attributes, size)
        if any(content[_LARGEST:]):
            refuse(errno.E2BIG)
        files, ports, scopes = struct.unpack("QQQ", content[:_LARGEST].ljust(_LARGEST, b"\0"))
        if files & ~_FILES or ports & ~_PORTS or scopes & ~_SCOPES:
            refuse(errno.EINVAL)
        if not (files or ports or scopes):
            refuse(errno.ENOMSG)
        number = self.open("ruleset")
        self.descriptors[number] = Ruleset("ruleset", denied=(files, ports, scopes))
        return number

    def _landlock_add_rule(self, descriptor: int, kind: int, attributes: int, flags: int) -> None:
        if flags:
            refuse(errno.EINVAL)
        ruleset = self._ruleset(descriptor)
        if kind == _PATH_BENEATH:
            self._allow_beneath(ruleset, *struct.unpack("=Qi", ctypes.string_at(attributes, 12)))
        elif kind == _NET_PORT:
            access, port = struct.unpack("QQ", ctypes.string_at(attributes, 16))
            self._check_access(access, ruleset.denied[1])
            if port > 0xFFFF:
                refuse(errno.EINVAL)
            ruleset.ports[port] = ruleset.ports.get(port, 0) | access
        else:
            refuse(errno.EINVAL)

    def _landlock_restrict_self(self, descriptor: int, flags: int) -> None:
        if not (self.no_new_privileges or self.capable):
            refuse(errno.EPERM)
        if flags:
            refuse(errno.EINVAL)
        self.domains = (*self.domains, self._ruleset(descriptor))

    def _allow_beneath(self, ruleset: Ruleset, access: int, parent: int) -> None:
        self._check_access(access, ruleset.denied[0])
        place = self.descriptor(parent).place or refuse(errno.EBADFD)
        if place.node.entries is None and access & ~_ON_FILES:
            refuse(errno.EINVAL)
        path = self.path_of(place)
        ruleset.paths[path] = ruleset.paths.get(path, 0) | access

    def _check_access(self, access: int, denied: int) -> None:
        if not access:
            refuse(errno.ENOMSG)
        if access & ~denied:
            refuse(errno.EINVAL)

    def _ruleset(self, number: int) -> Ruleset:
        found = self.descriptor(number)
        if found.kind == "path":
            refuse(errno.EBADF)
        return found if isinstance(found, Ruleset) else refuse(errno.EBADFD)

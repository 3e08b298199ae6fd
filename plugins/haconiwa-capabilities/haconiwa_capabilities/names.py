"""Names of capabilities and secure bits, and their numbers."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, IntFlag

from haconiwa_core.errors import Problem
from haconiwa_core.options import suggestion


class Capability(IntEnum):
    """Numbers of <linux/capability.h>."""

    CAP_CHOWN = 0
    CAP_DAC_OVERRIDE = 1
    CAP_DAC_READ_SEARCH = 2
    CAP_FOWNER = 3
    CAP_FSETID = 4
    CAP_KILL = 5
    CAP_SETGID = 6
    CAP_SETUID = 7
    CAP_SETPCAP = 8
    CAP_LINUX_IMMUTABLE = 9
    CAP_NET_BIND_SERVICE = 10
    CAP_NET_BROADCAST = 11
    CAP_NET_ADMIN = 12
    CAP_NET_RAW = 13
    CAP_IPC_LOCK = 14
    CAP_IPC_OWNER = 15
    CAP_SYS_MODULE = 16
    CAP_SYS_RAWIO = 17
    CAP_SYS_CHROOT = 18
    CAP_SYS_PTRACE = 19
    CAP_SYS_PACCT = 20
    CAP_SYS_ADMIN = 21
    CAP_SYS_BOOT = 22
    CAP_SYS_NICE = 23
    CAP_SYS_RESOURCE = 24
    CAP_SYS_TIME = 25
    CAP_SYS_TTY_CONFIG = 26
    CAP_MKNOD = 27
    CAP_LEASE = 28
    CAP_AUDIT_WRITE = 29
    CAP_AUDIT_CONTROL = 30
    CAP_SETFCAP = 31
    CAP_MAC_OVERRIDE = 32
    CAP_MAC_ADMIN = 33
    CAP_SYSLOG = 34
    CAP_WAKE_ALARM = 35
    CAP_BLOCK_SUSPEND = 36
    CAP_AUDIT_READ = 37
    CAP_PERFMON = 38
    CAP_BPF = 39
    CAP_CHECKPOINT_RESTORE = 40


class SecureBit(IntFlag):
    """Flags of <linux/securebits.h>."""

    SECBIT_NOROOT = 1 << 0
    SECBIT_NOROOT_LOCKED = 1 << 1
    SECBIT_NO_SETUID_FIXUP = 1 << 2
    SECBIT_NO_SETUID_FIXUP_LOCKED = 1 << 3
    SECBIT_KEEP_CAPS = 1 << 4
    SECBIT_KEEP_CAPS_LOCKED = 1 << 5
    SECBIT_NO_CAP_AMBIENT_RAISE = 1 << 6
    SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED = 1 << 7


class Mask(int):
    """A set of capabilities, printed as /proc/PID/status does."""

    def __repr__(self) -> str:
        return f"0x{self:016x}"


DEFAULT = frozenset(
    {
        Capability.CAP_AUDIT_WRITE,
        Capability.CAP_CHOWN,
        Capability.CAP_DAC_OVERRIDE,
        Capability.CAP_FOWNER,
        Capability.CAP_FSETID,
        Capability.CAP_KILL,
        Capability.CAP_MKNOD,
        Capability.CAP_NET_BIND_SERVICE,
        Capability.CAP_NET_RAW,
        Capability.CAP_SETFCAP,
        Capability.CAP_SETGID,
        Capability.CAP_SETPCAP,
        Capability.CAP_SETUID,
        Capability.CAP_SYS_CHROOT,
    }
)
"""What a container has by default, as with Docker."""


def capability_of(name: str) -> Capability | None:
    """Return the capability that a name means: in any case, with or without "CAP_"; None for no name."""
    return Capability.__members__.get(_canonical(name))


def unknown(name: str, key: str) -> Problem:
    """Return the complaint about what is no name.

    Args:
        name: as it was written.
        key: the option in which.
    """
    meant = _canonical(name)
    # Of the prefix alone the shortest names would be the nearest.
    hint = "" if meant == "CAP_" else suggestion(meant, Capability.__members__)
    if name.strip().lower() == "all":
        hint = "write reset = true" if key.startswith("drop") else "write all = true"
    return Problem(f"unknown capability {name!r}", key=key, hint=hint)


def named(number: int) -> int:
    """Return a capability under its name; one that is newer than this module is its number."""
    return Capability(number) if number < len(Capability) else number


def listed(numbers: Iterable[int]) -> str:
    """Return capabilities for a message, in the order of their numbers."""
    return ", ".join(number.name if isinstance(number, Capability) else str(number) for number in in_order(numbers))


def in_order(numbers: Iterable[int]) -> tuple[int, ...]:
    """Return capabilities under their names, in the order of their numbers."""
    return tuple(map(named, sorted(numbers)))


def mask_of(numbers: frozenset[int]) -> Mask:
    """Return a set of capabilities as the kernel has it."""
    return Mask(sum(1 << number for number in numbers))


def _canonical(name: str) -> str:
    # Other alphabets have letters whose upper case is one of ours.
    upper = name.upper() if name.isascii() else name
    return upper if upper.startswith("CAP_") else f"CAP_{upper}"

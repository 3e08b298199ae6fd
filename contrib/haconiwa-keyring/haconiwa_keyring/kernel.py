"""Calls on keys and keyrings; each is read back."""

from __future__ import annotations

import errno
from enum import IntEnum

from haconiwa_core.linux.calls import Call, number
from haconiwa_core.linux.vocabulary import Operations, advises, lowers
from haconiwa_core.operation import Buffer, Operation, Part, Slot

_SESSION_KEYRING = -3
_LARGEST_PAYLOAD = 32767

_PAYLOAD = Part(bytes(_LARGEST_PAYLOAD + 1))
"""One byte more than fits, so that a file that is too large is refused and not cut."""
_SIZE = Slot("keyring-payload-size")
_KEY = Slot("keyring-key")

_QUOTA = (
    "the user has too many keys, or too much in them: see /proc/key-users, and raise maxkeys or maxbytes"
    " (root_maxkeys or root_maxbytes for root) in /proc/sys/kernel/keys"
)


class KeyCall(IntEnum):
    """System calls that `Call` lacks."""

    add_key = number(x86_64=248, aarch64=217)


class Command(IntEnum):
    """Commands of keyctl(2)."""

    KEYCTL_JOIN_SESSION_KEYRING = 1
    KEYCTL_SETPERM = 5
    KEYCTL_DESCRIBE = 6


class Permissions(IntEnum):
    """What the possessor, the owner and others may do, as KEYCTL_SETPERM has it."""

    NEW_KEYRING = 0x3F130000
    NEW_KEY = 0x3F010000
    READ_ONLY_KEYRING = 0x0B130000
    READ_ONLY_KEY = 0x0B010000


@lowers
@advises(
    {
        errno.EDQUOT: _QUOTA,
        0: "somebody has a keyring of this name that others may join (/proc/keys): take another name, or add ns-user",
    }
)
def join_session_keyring(name: str, uid: int, gid: int) -> Operations:
    """Join a new session keyring and read back whose it is (KEYCTL_JOIN_SESSION_KEYRING in keyctl(2)).

    The kernel joins one that exists where its permissions allow it, and then others hold its keys; those of a new one
    do not.

    Args:
        name: the keyring's description.
        uid: of the process.
        gid: of the process.
    """
    yield Operation(Call.keyctl, (Command.KEYCTL_JOIN_SESSION_KEYRING, _string(name)))
    yield _described(_SESSION_KEYRING, "keyring", name, uid, gid, Permissions.NEW_KEYRING)


@lowers
@advises(
    {
        errno.EDQUOT: _QUOTA,
        errno.EINVAL: f"a key's file has 1 to {_LARGEST_PAYLOAD} bytes",
    }
)
def add_key(file: Slot, description: str, uid: int, gid: int, read_only: bool) -> Operations:
    """Add a key of type "user" to the session keyring and read back how it may be used (add_key(2)).

    Args:
        file: whose bytes are the payload: they go from there to the kernel, and are in no plan.
        description: of the key.
        uid: of the process.
        gid: of the process.
        read_only: take the rights to change it from everybody.
    """
    yield Operation(Call.read, (file, _PAYLOAD, len(_PAYLOAD.whole)), result=_SIZE)
    arguments = (_string("user"), _string(description), _PAYLOAD, _SIZE, _SESSION_KEYRING)
    yield Operation(KeyCall.add_key, arguments, result=_KEY)
    yield _described(_KEY, "user", description, uid, gid, Permissions.NEW_KEY)
    if read_only:
        yield Operation(Call.keyctl, (Command.KEYCTL_SETPERM, _KEY, Permissions.READ_ONLY_KEY))
        yield _described(_KEY, "user", description, uid, gid, Permissions.READ_ONLY_KEY)


@lowers
def protect_session_keyring(name: str, uid: int, gid: int) -> Operations:
    """Take the rights to change the session keyring from everybody, and read it back (KEYCTL_SETPERM in keyctl(2)).

    Args:
        name: the keyring's description.
        uid: of the process.
        gid: of the process.
    """
    yield Operation(Call.keyctl, (Command.KEYCTL_SETPERM, _SESSION_KEYRING, Permissions.READ_ONLY_KEYRING))
    yield _described(_SESSION_KEYRING, "keyring", name, uid, gid, Permissions.READ_ONLY_KEYRING)


def _described(key: int | Slot, kind: str, description: str, uid: int, gid: int, permissions: int) -> Operation:
    """Demand what KEYCTL_DESCRIBE tells of a key."""
    expected = _string(f"{kind};{uid};{gid};{permissions:08x};{description}")
    shown = Buffer(len(expected), ((0, expected),))
    return Operation(Call.keyctl, (Command.KEYCTL_DESCRIBE, key, shown, len(expected)))


def _string(text: str) -> bytes:
    return text.encode() + b"\0"

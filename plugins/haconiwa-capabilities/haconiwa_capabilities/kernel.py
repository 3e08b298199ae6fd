"""Calls that limit the capabilities of a process, each read back (prctl(2), capset(2))."""

from __future__ import annotations

import errno
import struct

from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.vocabulary import Operations, lowers
from haconiwa_core.operation import Buffer, Operation, Slot

_HEADER = struct.pack("Ii", c.LINUX_CAPABILITY_VERSION_3, 0)
_PRIVILEGED = Slot("privileged")


@lowers
def limit_bounding_set(last: int, *kept: int) -> Operations:
    """Drop all other capabilities from the bounding set (PR_CAPBSET_DROP in prctl(2)).

    Args:
        last: the highest capability that the kernel knows.
        kept: those that stay; one that is absent already fails.
    """
    for number in range(last + 1):
        if number not in kept:
            yield _prctl(c.PR_CAPBSET_DROP, number)
    for number in range(last + 1):
        yield _prctl(c.PR_CAPBSET_READ, number, returns=int(number in kept))


@lowers
def set_secure_bits(bits: int) -> Operations:
    """Set the secure bits (PR_SET_SECUREBITS in prctl(2)).

    Args:
        bits: SECBIT_* flags; needs CAP_SETPCAP, even to set none.
    """
    yield _prctl(c.PR_SET_SECUREBITS, bits)
    yield _prctl(c.PR_GET_SECUREBITS, returns=bits)


@lowers
def raise_sets(permitted: int, inheritable: int, bits: int) -> Operations:
    """Set the permitted and effective sets, which are the same, and the inheritable set (capset(2)).

    Args:
        permitted: a mask; the process has all of it.
        inheritable: a mask, of the bounding set.
        bits: the secure bits as they are. Where they cannot be set to this, the effective set was empty, as
            a change of the user leaves it, and the slot "privileged" says so to `lower_sets`.
    """
    yield _prctl(c.PR_SET_SECUREBITS, bits)._replace(result=_PRIVILEGED, accept=(errno.EPERM,))
    yield from _sets(permitted, inheritable)


@lowers
def set_ambient_set(*capabilities: int) -> Operations:
    """Set the ambient set (PR_CAP_AMBIENT in prctl(2)).

    Args:
        capabilities: each is permitted and inheritable.
    """
    yield _prctl(c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_CLEAR_ALL)
    for number in capabilities:
        yield _prctl(c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_RAISE, number)
        yield _prctl(c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_IS_SET, number, returns=1)


@lowers
def lower_sets(permitted: int, ambient: int, inheritable: int) -> Operations:
    """Set the permitted and effective sets to what executing a program would give (capset(2)).

    So no program is looked for with rights that it will not have.

    Args:
        permitted: a mask, for user 0.
        ambient: a mask, for any other user.
        inheritable: a mask.
    """
    for operation in _sets(permitted, inheritable):
        yield operation._replace(when=_PRIVILEGED)
    for operation in _sets(ambient, inheritable):
        yield operation._replace(unless=_PRIVILEGED)


def _sets(permitted: int, inheritable: int) -> Operations:
    sets = (permitted, permitted, inheritable)
    data = struct.pack("6I", *(each & 0xFFFFFFFF for each in sets), *(each >> 32 for each in sets))
    yield Operation(Call.capset, (_HEADER, data))
    yield Operation(Call.capget, (_HEADER, Buffer(len(data), ((0, data),))))


def _prctl(option: int, first: int = 0, second: int = 0, returns: int | None = None) -> Operation:
    return Operation(Call.prctl, (option, first, second, 0, 0), returns=returns)

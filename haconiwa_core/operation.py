"""One raw system call, as data: what every function of the vocabulary lowers itself to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Slot:
    """A value known only while a container starts: a descriptor, a pid, the instance's name."""

    name: str

    def __repr__(self) -> str:
        return f"<{self.name}>"


class Data(NamedTuple):
    """Bytes whose address is passed to the kernel.

    Args:
        content: the bytes.
        relocations: (offset, value) pairs written into the bytes, 8 wide in native order, just
            before the call: the address of other data, or the value of a slot.
    """

    content: bytes
    relocations: tuple[tuple[int, bytes | Data | Buffer | Slot], ...] = ()


class Buffer(NamedTuple):
    """Bytes that the kernel fills.

    Args:
        size: in bytes.
        expect: (offset, bytes) pairs that the output must equal; a difference fails the call.
        initial: what the bytes hold before the call; zeros follow.
        into: slot that takes the first 4 bytes of the output, a descriptor.
    """

    size: int
    expect: tuple[tuple[int, bytes], ...] = ()
    initial: bytes = b""
    into: Slot | None = None


class Part(NamedTuple):
    """A place within bytes that several calls have in common: what one of them fills, another passes on.

    Args:
        whole: what the bytes hold at first; parts of equal ones lie in the same bytes.
        offset: of the place.
    """

    whole: bytes
    offset: int = 0


Argument = int | bytes | Slot | Data | Buffer | Part


class Operation(NamedTuple):
    """One system call.

    An accepted errno leaves its negative value in the result slot, and a skipped operation leaves
    -1 there, so that `when` and `unless` say "mask this path if it exists" without a branch.

    Args:
        call: the system call: a member of `haconiwa_core.linux.calls.Call`, or of an enum of the plugin's own.
        arguments: at most six; bytes are passed by address and not terminated for you.
        result: the slot that takes the result.
        accept: error numbers that count as done.
        returns: the exact result demanded; None accepts any that is not an error.
        when: skip the operation if this slot holds a negative value.
        unless: skip the operation if this slot does not.
    """

    call: IntEnum
    arguments: tuple[Argument, ...] = ()
    result: Slot | None = None
    accept: tuple[int, ...] = ()
    returns: int | None = None
    when: Slot | None = None
    unless: Slot | None = None

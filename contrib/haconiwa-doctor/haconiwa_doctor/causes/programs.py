"""What a file is to the kernel that is asked to execute it: a program, a script, or neither (execve(2), elf(5))."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

HEAD = 256
"""The kernel looks at so many bytes (BINPRM_BUF_SIZE)."""

MACHINES = {
    3: "i386",
    8: "mips",
    20: "ppc",
    21: "ppc64",
    22: "s390x",
    40: "arm",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
    258: "loongarch64",
}
"""EM_* of <elf.h>, as uname(2) names the machines."""

_ELF = b"\x7fELF"
_MACHINE_OFFSET = 18
_LITTLE, _BITS_64 = 1, 2
_HEADER_SIZE = 64
_PT_INTERP = 3
_HEADERS_LIMIT = 64
_PATH_LIMIT = 4096


class Script(NamedTuple):
    """A file that begins with "#!"; `interpreter` is the path behind it, "" where there is none."""

    interpreter: str


class Binary(NamedTuple):
    """A file of the format ELF.

    Args:
        machine: that it is made for.
        loader: path of the program that loads it with its libraries, "" for a static one, or where it is not known.
    """

    machine: str
    loader: str


def kind_of(head: bytes, read: Callable[[int, int], bytes | None]) -> Script | Binary | None:
    """Return what a file is; None for what the kernel executes in no way.

    Args:
        head: its first HEAD bytes, or all that it has.
        read: returns bytes of it, by their number and offset.
    """
    if head.startswith(b"#!"):
        words = head[2:].split(b"\n")[0].strip(b" \t").split(b" ")[0].split(b"\t")[0]
        return Script(words.decode(errors="surrogateescape"))
    if not head.startswith(_ELF) or len(head) < _MACHINE_OFFSET + 2:
        return None
    order = "<" if head[5] == _LITTLE else ">"
    (number,) = struct.unpack_from(f"{order}H", head, _MACHINE_OFFSET)
    return Binary(MACHINES.get(number, f"machine {number} of elf.h"), _loader(head, order, read))


def _loader(head: bytes, order: str, read: Callable[[int, int], bytes | None]) -> str:
    if head[4] != _BITS_64 or len(head) < _HEADER_SIZE:
        return ""
    (start,), (size, count) = struct.unpack_from(f"{order}Q", head, 32), struct.unpack_from(f"{order}HH", head, 54)
    header = struct.Struct(f"{order}IIQQQQQQ")
    if size != header.size:
        return ""
    table = read(size * min(count, _HEADERS_LIMIT), start) or b""
    for kind, _, offset, _, _, length, *_ in header.iter_unpack(table[: len(table) // size * size]):
        if kind == _PT_INTERP:
            return (read(min(length, _PATH_LIMIT), offset) or b"").rstrip(b"\0").decode(errors="surrogateescape")
    return ""

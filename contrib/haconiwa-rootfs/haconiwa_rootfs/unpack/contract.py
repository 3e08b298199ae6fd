"""What is asked of the process that unpacks, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from haconiwa_core.errors import HaconiwaError

MIB = 1 << 20
GIB = 1 << 30


class UnpackError(HaconiwaError):
    """An archive was refused; what is in the directory by then is to be removed."""


@dataclass(frozen=True)
class Limits:
    """What an archive may cost at most.

    Args:
        size: bytes of the archive as it is without compression, and of all files as they are without holes.
        files: members, and headers of members.
        depth: directories below one another.
        header: bytes of an extended header (pax(1)), or of a long name.
        memory: bytes of address space of the process that unpacks.
        seconds: until it is killed.
    """

    size: int = 32 * GIB
    files: int = 1_000_000
    depth: int = 128
    header: int = MIB
    memory: int = 768 * MIB
    seconds: int = 3600


@dataclass(frozen=True)
class Policy:
    """What is done with members that are more than files.

    Args:
        whiteouts: take `.wh.` names as OCI layers mean them, and make of them what overlayfs understands.
        devices: "refuse" the archive, "leave-out" the node, or "keep" it, which needs CAP_MKNOD.
        set_id: "keep" set-user-ID and set-group-ID bits and capabilities of files, or "drop" them.
        owners: keep users and groups; otherwise all belongs to the process's own.
    """

    whiteouts: bool = False
    devices: Literal["refuse", "leave-out", "keep"] = "leave-out"
    set_id: Literal["keep", "drop"] = "keep"
    owners: bool = True


@dataclass(frozen=True)
class Unpacked:
    """What was unpacked.

    Args:
        digest: of the archive as it was read, "sha256:" and hexadecimal digits.
        diff_id: of the archive without its compression, as image configurations name layers.
        size: bytes of all files.
        files: how many members there were.
        left_out: the first of what was left out, and why.
    """

    digest: str
    diff_id: str
    size: int
    files: int
    left_out: tuple[str, ...] = ()

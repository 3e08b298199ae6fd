"""Options that the strategies for archives and images share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from haconiwa_core.options import Pattern

if TYPE_CHECKING:
    from haconiwa_rootfs.unpack import Limits

Size = Annotated[str, Pattern(r"[0-9]{1,6}[kMGT]?", "a size such as 512M or 32G")]
Digest = Annotated[str, Pattern(r"(sha256:[0-9a-f]{64})?", "sha256: and 64 hexadecimal digits")]
Devices = Literal["refuse", "leave-out", "keep"]
SetId = Literal["keep", "drop"]

_UNITS = {"k": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def limits(size: str) -> Limits:
    """Return limits with a size in bytes, or with k, M, G or T."""
    from haconiwa_rootfs.unpack import Limits

    unit = _UNITS.get(size[-1:])
    return Limits(size=int(size[:-1]) * unit if unit else int(size))

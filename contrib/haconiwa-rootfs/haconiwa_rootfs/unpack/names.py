"""What the names of members mean."""

from __future__ import annotations

from typing import Literal, NamedTuple

from haconiwa_rootfs.unpack.contract import Limits, UnpackError

_LONGEST_NAME = 255
_LONGEST_PATH = 4095
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


class Place(NamedTuple):
    """Where a member goes.

    Args:
        parents: names of the directories above, from the root directory.
        name: its own; "" for the root directory.
    """

    parents: tuple[str, ...]
    name: str


def place_of(path: str, limits: Limits) -> Place:
    """Return where a path leads.

    Raises:
        UnpackError: out of the directory, or too deep; or it is too long for the kernel.
    """
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if path.startswith("/") or ".." in parts:
        raise UnpackError("its name leads out of the directory")
    if len(parts) > limits.depth:
        raise UnpackError(f"it lies below more than {limits.depth} directories")
    sizes = [len(part.encode("utf-8", "surrogateescape")) for part in parts]
    if any(size > _LONGEST_NAME for size in sizes) or sum(sizes) + len(sizes) > _LONGEST_PATH:
        raise UnpackError(f"its name is longer than {_LONGEST_NAME} bytes, or its path than {_LONGEST_PATH}")
    return Place(parts[:-1], parts[-1] if parts else "")


class Whiteout(NamedTuple):
    """What a layer takes away from those below it.

    Args:
        kind: one "name", or all that is in the directory ("opaque").
        name: which one.
    """

    kind: Literal["name", "opaque"]
    name: str = ""


def whiteout_of(place: Place) -> Whiteout | None:
    """Return what a member of a layer takes away, or None for one that is there itself (OCI image specification).

    Raises:
        UnpackError: it could mean several things, or none.
    """
    if any(parent.startswith(_WHITEOUT) for parent in place.parents):
        raise UnpackError("it lies below a whiteout")
    if not place.name.startswith(_WHITEOUT):
        return None
    if place.name == _OPAQUE:
        return Whiteout("opaque")
    name = place.name.removeprefix(_WHITEOUT)
    if name in ("", ".", "..") or name.startswith(_WHITEOUT):
        raise UnpackError("it is a whiteout of nothing that can be")
    return Whiteout("name", name)

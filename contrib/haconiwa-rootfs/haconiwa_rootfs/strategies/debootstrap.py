"""A root that debootstrap(8) makes: Debian and its relatives; it needs root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from haconiwa_rootfs.strategies.debian import Packages, arguments, inputs

if TYPE_CHECKING:
    from haconiwa_rootfs.strategy import Target

__all__ = ["Options", "build", "debootstrap", "inputs"]


@dataclass(frozen=True)
class Options(Packages):
    """What the strategy `debootstrap` can do; see `Packages`."""


def debootstrap(release: str, **more: Any) -> dict[str, dict[str, Any]]:
    """Return the source of a root that debootstrap makes.

    Args:
        release: such as "bookworm".
        more: the other options of the strategy (`Options`).

    Example: `Rootfs(debootstrap("bookworm", include=["ca-certificates"]))`.
    """
    return {"debootstrap": {"release": release, **more}}


def build(options: Options, target: Target) -> None:
    """Install the packages into the root.

    Raises:
        HaconiwaError: it has failed, or is not installed.
    """
    more = [options.mirror] if options.mirror else []
    target.run(["debootstrap", *arguments(options), options.release, str(target.directory), *more])

"""A root that debootstrap(8) makes: Debian and its relatives; it needs root."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from haconiwa_rootfs.strategies.debian import Packages, arguments

if TYPE_CHECKING:
    from haconiwa_rootfs.strategy import Target


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


def inputs(options: Options, folder: str) -> Mapping[str, str]:
    """Return nothing: which packages there are is settled when the root is created."""
    del options, folder
    return {}


def build(options: Options, target: Target) -> None:
    """Install the packages into the root.

    Raises:
        HaconiwaError: it has failed, or is not installed.
    """
    more = [options.mirror] if options.mirror else []
    target.run(["debootstrap", *arguments(options), options.release, str(target.directory), *more])

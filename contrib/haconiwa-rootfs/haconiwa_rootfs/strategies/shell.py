"""A root that a script of the host makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from typing import TYPE_CHECKING, Any

from haconiwa_core.feature import option

if TYPE_CHECKING:
    from haconiwa_rootfs.strategy import Target


@dataclass(frozen=True)
class Options:
    """What the strategy `shell` can do.

    Args:
        script: for /bin/sh of the host, with the rights of the caller; "$1" is the directory to fill.
    """

    script: str = option(MISSING, 'for /bin/sh of the host; "$1" is the directory to fill')


def shell(script: str) -> dict[str, dict[str, Any]]:
    """Return the source of a root that a script makes.

    Example: `Rootfs(shell('mkdir "$1/bin" && cp /bin/busybox "$1/bin/sh"'))`.
    """
    return {"shell": {"script": script}}


def inputs(options: Options, folder: str) -> Mapping[str, str]:
    """Return nothing: the script's text is part of the source, and what it reads is not known."""
    del options, folder
    return {}


def build(options: Options, target: Target) -> None:
    """Run the script in the definition's folder.

    Raises:
        HaconiwaError: it has failed.
    """
    target.run(["/bin/sh", "-ec", options.script, "/bin/sh", str(target.directory)])

"""docker's flag `--read-only`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haconiwa_chroot import Chroot
from haconiwa_core.cli.flags import Flag

SECTION = Chroot.section
FLAGS = {"read-only": Flag("`read_only`, which then is demanded")}


def options(given: Mapping[str, Sequence[str]], section: Chroot | None) -> dict[str, Any]:
    """Demand that nothing in the root can be written."""
    del given, section
    return {"read_only": True}

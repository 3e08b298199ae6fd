"""docker's flag `--security-opt apparmor=PROFILE`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haconiwa_apparmor import AppArmor
from haconiwa_core.cli.flags import Flag

_FLAG = "security-opt.apparmor"

SECTION = AppArmor.section
FLAGS = {_FLAG: Flag("`profile`; `unconfined` leaves the section out", "PROFILE")}


def options(given: Mapping[str, Sequence[str]], section: AppArmor | None) -> dict[str, Any] | None:
    """Set the profile."""
    del section
    profile = given[_FLAG][-1]
    return None if profile == "unconfined" else {"profile": profile}

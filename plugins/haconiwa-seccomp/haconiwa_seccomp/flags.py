"""docker's flag `--security-opt seccomp=PROFILE`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from haconiwa_core.cli.flags import Flag
from haconiwa_seccomp import Seccomp

_FLAG = "security-opt.seccomp"

SECTION = Seccomp.section
FLAGS = {_FLAG: Flag("`profile`: `builtin` is the default one; `unconfined` leaves the section out", "FILE")}


def options(given: Mapping[str, Sequence[str]], section: Seccomp | None) -> dict[str, Any] | None:
    """Set the profile; a relative path starts where the caller is."""
    del section
    profile = given[_FLAG][-1]
    if profile == "unconfined":
        return None
    if profile in ("", "builtin"):
        return {"profile": profile and "default"}
    return {"profile": os.path.abspath(profile)}

"""docker's flag `--security-opt no-new-privileges`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haconiwa_core.cli.flags import Flag
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_no_new_privs import NoNewPrivs

_FLAG = "security-opt.no-new-privileges"

SECTION = NoNewPrivs.section
FLAGS = {_FLAG: Flag("the section; `no-new-privileges:false` leaves it out", "[true|false]")}


def options(given: Mapping[str, Sequence[str]], section: NoNewPrivs | None) -> dict[str, Any] | None:
    """Add the section, or leave it out."""
    del section
    answers: dict[str, dict[str, Any] | None] = {"": {}, "true": {}, "false": None}
    value = given[_FLAG][-1]
    if value not in answers:
        text = f"--security-opt no-new-privileges:{value}: must be true or false"
        raise DefinitionError([Problem(text)])
    return answers[value]

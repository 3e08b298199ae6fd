"""docker's flag `--sysctl`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haconiwa_core.cli.flags import Flag
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_sysctl import Sysctl

SECTION = Sysctl.section
FLAGS = {"sysctl": Flag("one more of `values`", "NAME=VALUE")}


def options(given: Mapping[str, Sequence[str]], section: Sysctl | None) -> dict[str, Any]:
    """Add to the section's own parameters."""
    pairs = [text.partition("=") for text in given["sysctl"]]
    problems = [
        Problem(f"--sysctl {name}: not understood", hint="write NAME=VALUE") for name, equals, _ in pairs if not equals
    ]
    if problems:
        raise DefinitionError(problems)
    return {"values": {**(section.values if section else {}), **{name: value for name, _, value in pairs}}}

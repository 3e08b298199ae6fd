"""docker's flag `--init`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haconiwa_core.cli.flags import Flag
from haconiwa_init import Init

SECTION = Init.section
FLAGS = {"init": Flag("the section, with its defaults or the definition's options")}


def options(given: Mapping[str, Sequence[str]], section: Init | None) -> dict[str, Any]:
    """Add the section."""
    del given, section
    return {}

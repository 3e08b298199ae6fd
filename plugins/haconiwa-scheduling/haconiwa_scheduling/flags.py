"""docker's flag `--oom-score-adj`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haconiwa_core.cli.flags import Flag
from haconiwa_scheduling import Scheduling

SECTION = Scheduling.section
FLAGS = {"oom-score-adj": Flag("`oom_score_adj`", "NUMBER")}


def options(given: Mapping[str, Sequence[str]], section: Scheduling | None) -> dict[str, Any]:
    """Turn the last value into a number; what is none is left for the option's own check."""
    del section
    text = given["oom-score-adj"][-1]
    digits = text.removeprefix("-")
    return {"oom_score_adj": int(text) if digits.isascii() and digits.isdigit() else text}

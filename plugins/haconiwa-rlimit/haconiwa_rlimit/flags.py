"""docker's flag `--ulimit`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haconiwa_core.cli.flags import Flag
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_rlimit import Rlimit

SECTION = Rlimit.section
FLAGS = {"ulimit": Flag("the option that NAME says; one value is both limits, -1 is no limit", "NAME=SOFT[:HARD]")}

_UNLIMITED = "-1"


def options(given: Mapping[str, Sequence[str]], section: Rlimit | None) -> dict[str, Any]:
    """Turn `nofile=1024:2048` into {"nofile": (1024, 2048)}."""
    del section  # Limits that are not named stay.
    pairs = [text.partition("=") for text in given["ulimit"]]
    problems = [
        Problem(f"--ulimit {name}: not understood", hint="write NAME=SOFT or NAME=SOFT:HARD")
        for name, equals, _ in pairs
        if not equals
    ]
    if problems:
        raise DefinitionError(problems)
    return {_option(name): _limit(text) for name, _, text in pairs}


def _option(name: str) -> str:
    return f"{name}_" if name == "as" else name


def _limit(text: str) -> Any:
    soft, colon, hard = text.partition(":")
    return (_value(soft), _value(hard)) if colon else _value(soft)


def _value(text: str) -> int | str:
    if text == _UNLIMITED:
        return "unlimited"
    return int(text) if text.isascii() and text.isdigit() else text

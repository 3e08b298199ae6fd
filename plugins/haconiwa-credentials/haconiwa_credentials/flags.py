"""docker's flags `--user` and `--group-add`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haconiwa_core.cli.flags import Flag
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_credentials import Credentials

SECTION = Credentials.section
FLAGS = {
    "user": Flag("`uid` and `gid`; names are those of `lookup`", "USER[:GROUP]", "u"),
    "group-add": Flag("one more of `groups`", "GROUP"),
}


def options(given: Mapping[str, Sequence[str]], section: Credentials | None) -> dict[str, Any]:
    """Turn `1000:100` into {"uid": 1000, "gid": 100}; of several users the last counts."""
    changed: dict[str, Any] = {}
    for text in given.get("user", ()):
        user, colon, group = text.partition(":")
        if not user or (colon and not group):
            raise DefinitionError([Problem(f"--user {text!r}: must be USER or USER:GROUP")])
        changed = {"uid": _id(user), "gid": _id(group) if group else None}
    if more := given.get("group-add"):
        changed["groups"] = (*(section.groups if section else ()), *map(_id, more))
    return changed


def _id(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text

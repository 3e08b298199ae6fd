"""What the flags of all namespace kinds share, such as docker's `--pid`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from haconiwa_core.cli.flags import Flag
from haconiwa_core.errors import DefinitionError, Problem

Options = Callable[[Mapping[str, Sequence[str]], Any], dict[str, Any] | None]


def namespace_flag(name: str, new: str) -> tuple[dict[str, Flag], Options]:
    """Return what the module of a kind's flag holds: FLAGS and options.

    Args:
        name: of the flag.
        new: the value that asks for a namespace of its own; `host` asks for none, `container:NAME` for another's.
    """
    means = f"`{new}` is a new namespace, `host` leaves the section out, `container:NAME` is `join`"
    flag = Flag(means, f"{new}|host|container:NAME")

    def options(given: Mapping[str, Sequence[str]], section: Any) -> dict[str, Any] | None:
        del section  # It is replaced as far as the flag goes.
        kind, colon, container = given[name][-1].partition(":")
        if kind == "container" and container:
            return {"join": container}
        if kind == "host" and not colon:
            return None
        if kind == new and not colon:
            return {"join": None}
        text = f"--{name} {given[name][-1]}: not understood"
        raise DefinitionError([Problem(text, hint=f"write {new}, host or container:NAME")])

    return {name: flag}, options

"""A controller: the kernel's part that limits one resource, and how the options of a definition become its files.

Each is an entry point of the group `haconiwa.v1.controllers`, those of this distribution like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from haconiwa_cgroup.files import Parts
from haconiwa_core.errors import PluginError
from haconiwa_core.options import suggestion
from haconiwa_core.plugins.discovery import API
from haconiwa_core.plugins.entrypoints import entry_points, load_sole

GROUP = f"haconiwa.{API}.controllers"

Write = Callable[[Parts, str], None]
"""Given a file and what to write, writes it, reads it back, and raises OSError if that differs."""


class Setting(NamedTuple):
    """One file of a group that is written.

    Args:
        file: its name.
        value: what is written.
        write: of `haconiwa_cgroup.files`, or another importable function of the same kind.
    """

    file: str
    value: str
    write: Write


class Controller(Protocol):
    """What an entry point leads to."""

    names: Mapping[int, str]
    """The kernel's name of it in each version that has it; the first that this host has is used.

    "" needs no controller: version 2 has it by other means.
    """

    options: Mapping[str, Any]
    """The options that it takes, each with the value that lifts the limit of a running container.

    None is for what cannot be lifted. Where an option is a table, the value is that of each entry.
    """

    def settings(self, options: Mapping[str, Any], version: int) -> Iterator[Setting]:
        """Yield what the options mean, in the order in which it is written.

        Args:
            options: those that are given; never empty.
            version: of the hierarchy.

        Raises:
            DefinitionError: this version cannot do it, or a value is wrong; `key` is the option's.
        """

    def usage(self, group: Path, version: int) -> dict[str, object]:
        """Return what the kernel tells of a group, as JSON has it; files that are missing are left out.

        Args:
            group: its directory.
            version: of the hierarchy.
        """


@cache
def find(name: str) -> Controller:
    """Load a controller.

    Raises:
        PluginError: there is none, two distributions provide it, or it is broken.
    """
    controller: Controller | None
    controller = load_sole(GROUP, name, f"the controller {name}", "names", "options", "settings", "usage")
    if controller is None:
        hint = suggestion(name, [item.name for item in entry_points() if item.group == GROUP])
        raise PluginError(f"no installed distribution provides the controller {name}" + (f"; {hint}" if hint else ""))
    return controller

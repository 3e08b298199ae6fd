"""docker's flags `--publish`, `--ip`, `--dns` and `--add-host`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haconiwa_core.cli.flags import Flag
from haconiwa_network import Network

SECTION = Network.section
FLAGS = {
    "publish": Flag("one more of `ports`", "[ADDRESS:]PORT:PORT[/PROTOCOL]", "p"),
    "ip": Flag("`address`", "ADDRESS"),
    "dns": Flag("one more of `dns`", "ADDRESS"),
    "add-host": Flag("one more of `hosts`", "NAME:ADDRESS"),
}

_LISTS = {"publish": "ports", "dns": "dns", "add-host": "hosts"}


def options(given: Mapping[str, Sequence[str]], section: Network | None) -> dict[str, Any]:
    """Add to the section's own lists; its address is replaced."""
    present = section or Network()
    changed: dict[str, Any] = {
        key: (*(getattr(present, key) or ()), *map(_as_option, given[flag]))
        for flag, key in _LISTS.items()
        if flag in given
    }
    return {**changed, "address": given["ip"][-1]} if "ip" in given else changed


def _as_option(text: str) -> str:
    """Return a value as the option has it; docker takes "NAME=ADDRESS" for a host, too."""
    return text.replace("=", ":", 1)

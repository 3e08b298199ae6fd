"""docker's flags `--hostname`, `--domainname` and `--uts`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haconiwa_core.cli.flags import Flag
from haconiwa_core.cli.namespaces import namespace_flag
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_ns_uts import UtsNamespace

SECTION = UtsNamespace.section
_FLAG, _kind = namespace_flag("uts", new="private")
FLAGS = {**_FLAG, "hostname": Flag("`hostname`", "NAME"), "domainname": Flag("`domainname`", "NAME")}


def options(given: Mapping[str, Sequence[str]], section: UtsNamespace | None) -> dict[str, Any] | None:
    """Give a name to the container's own namespace; the host's gets none."""
    named = {name: given[name][-1] for name in ("hostname", "domainname") if name in given}
    kind = _kind(given, section) if "uts" in given else {}
    if named and (kind is None or kind.get("join") is not None):
        raise DefinitionError([Problem(f"--uts {given['uts'][-1]} contradicts --{min(named)}")])
    return None if kind is None else {**kind, **named}

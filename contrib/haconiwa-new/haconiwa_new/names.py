"""Which names a new plugin cannot have, because somebody else has them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from haconiwa_core.cli.commands import OWN
from haconiwa_core.errors import PluginError
from haconiwa_core.plugins.catalogue import command_distributions, distribution_for
from haconiwa_core.plugins.discovery import API
from haconiwa_core.plugins.entrypoints import entry_points

_GROUPS = [f"haconiwa.{API}.{kind}" for kind in ("features", "controllers", "commands", "observers")]


def check_name(name: str) -> None:
    """See that a name is nobody's yet; what it may consist of is for the template to say.

    Raises:
        PluginError: it is one of the core's, of the catalogue, or of what is installed.
    """
    if owner := _owner(name):
        raise PluginError(f"the name {name} is taken: it belongs to {owner}; choose another one")


def _owner(name: str) -> str:
    if name in OWN:
        return "haconiwa-core"
    if ours := distribution_for(name) or command_distributions().get(name):
        return ours
    for item in entry_points():
        if item.group in _GROUPS and item.name == name:
            return item.distribution
    distribution = f"haconiwa-{name}"
    try:
        version(distribution)
    except (PackageNotFoundError, ValueError):
        return ""
    return distribution

"""`haconiwa update`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.definition.overrides import Overrides
from haconiwa_core.host import gather
from haconiwa_core.log import Log
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.store import Store
from haconiwa_runtime.updates import update

HELP = "change the limits of a running container, or leave all as it was: update NAME --set FEATURE.KEY=VALUE"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("name", metavar="NAME")
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        required=True,
        metavar="FEATURE.KEY=VALUE",
        help="the new value of an option",
    )


def main(options: Options, log: Log) -> int:
    """Change a container; return 0."""
    plugins = Plugins()
    overrides = Overrides(settings=options.settings)
    update(Store(), options.name, lambda container: overrides.apply(container, plugins), gather(), plugins)
    return 0

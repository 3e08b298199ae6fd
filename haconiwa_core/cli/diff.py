"""`haconiwa diff`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.cli.arguments import add_host
from haconiwa_core.cli.output import print_line
from haconiwa_core.log import Log

HELP = "show how the plans of two definitions differ; exit status 1 if they do"


def configure(parser: ArgumentParser) -> None:
    """Add the arguments of `diff`."""
    parser.add_argument("first", metavar="A", help="definition, .py or .toml")
    parser.add_argument("second", metavar="B", help="definition, .py or .toml")
    add_host(parser)


def main(options: Options, log: Log) -> int:
    """Print how two plans differ, step by step; return 1 if they do, else 0."""
    import difflib

    from haconiwa_core.cli.selection import host_facts
    from haconiwa_core.definition.reading import read
    from haconiwa_core.planning.planner import plan_all
    from haconiwa_core.plugins.loading import Plugins

    plugins = Plugins()
    host = host_facts(options.host)
    first, second = (
        [
            f"{item.container.name}: " + "  ".join(filter(None, row))
            for item in plan_all(read(file, plugins), host, plugins)
            for row in item.rows()
        ]
        for file in (options.first, options.second)
    )
    different = False
    for line in difflib.unified_diff(first, second, options.first, options.second, lineterm="", n=0):
        different = True
        if not line.startswith("@@"):
            print_line(line)
    return int(different)

"""`haconiwa plan`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options
from typing import TYPE_CHECKING

from haconiwa_core.cli.arguments import add_format, add_host, add_launcher, add_selection
from haconiwa_core.cli.output import print_json, print_line, print_table
from haconiwa_core.log import Log

if TYPE_CHECKING:
    from haconiwa_core.planning.plan import Plan

HELP = "show exactly what a start would do; changes nothing, needs no root"


def configure(parser: ArgumentParser) -> None:
    """Add the arguments of `plan`."""
    add_selection(parser, "plan these containers of the file only")
    add_launcher(parser)
    add_host(parser)
    parser.add_argument("--show-host", action="store_true", help="print the facts of this host for --host")
    add_format(parser)


def main(options: Options, log: Log) -> int:
    """Print the plans of the selected containers, or the facts of this host; return 0."""
    from haconiwa_core.cli.selection import host_facts, selected
    from haconiwa_core.launch.choice import choose_launcher
    from haconiwa_core.planning.planner import plan_all
    from haconiwa_core.plugins.loading import Plugins

    host = host_facts(options.host)
    if options.show_host:
        print_json(host.to_json())
        return 0
    plugins = Plugins()
    plans = plan_all(selected(options, plugins), host, plugins)
    launcher = choose_launcher(options.launcher).name
    if options.format == "json":
        print_json([{**item.to_json(), "launcher": launcher} for item in plans])
        return 0
    for number, item in enumerate(plans):
        if number:
            print()
        _print(item)
        print_line(f"launcher: {launcher}")
    return 0


def _print(item: Plan) -> None:
    host = item.host
    print_line(f"{item.container.name} on Linux {host.kernel} {host.machine} as user {host.uid}")
    rows = item.rows()
    # Few plans leave something to undo, and the column stands far to the right.
    columns = 4 if any(undo for *_, undo in rows) else 3
    print_table(("STAGE", "PLUGIN", "STEP", "UNDO")[:columns], [row[:columns] for row in rows])
    for read in item.inputs:
        print_line(f"input: {read.path} sha256:{read.digest}")
    for note in item.notes:
        print_line(f"note: {note}")

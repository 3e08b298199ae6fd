"""`haconiwa plan`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.cli.arguments import add_format, add_host, add_launcher, add_selection
from haconiwa_core.cli.output import print_json
from haconiwa_core.log import Log

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
    from haconiwa_core.cli.planned import print_plan, versions_of
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
        print_json([{**item.to_json(), "launcher": launcher, "versions": versions_of(item, plugins)} for item in plans])
        return 0
    for number, item in enumerate(plans):
        if number:
            print()
        print_plan(item, versions_of(item, plugins), launcher)
    return 0

"""`haconiwa plugins new`."""

from __future__ import annotations

import shlex
from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.cli.output import print_line
from haconiwa_core.log import Log
from haconiwa_new.names import check_name
from haconiwa_new.rendering import KINDS, render

HELP = "make the distribution of a new plugin: code, tests, documentation"


def configure(parser: ArgumentParser) -> None:
    """Add the action's arguments."""
    parser.add_argument("name", metavar="NAME", help="of the plugin; the distribution is haconiwa-NAME")
    parser.add_argument("--kind", choices=KINDS, help="what kind of plugin it is")
    parser.add_argument("--folder", metavar="DIR", help="where to make it; haconiwa-NAME by default")
    parser.add_argument(
        "--data", action="append", default=[], metavar="KEY=VALUE", help="answer a question of the template"
    )
    parser.add_argument("--defaults", action="store_true", help="ask nothing: take the default of what is not answered")
    parser.add_argument(
        "--template", metavar="SOURCE", help="a git repository with the template, whose tags `copier update` follows"
    )


def main(options: Options, log: Log) -> int:
    """Make the distribution, and print what to type next; return 0."""
    check_name(options.name)
    folder = options.folder or f"haconiwa-{options.name}"
    kind = [f"kind={options.kind}"] if options.kind else []
    render(options.name, folder, [*kind, *options.data], template=options.template, defaults=options.defaults)
    print_line(f"cd {shlex.quote(folder)}")
    print_line("pip install --editable '.[dev]'")
    print_line("pytest")
    return 0

"""`haconiwa reload`."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace as Options
from typing import Any

from haconiwa_core.cli.arguments import add_format
from haconiwa_core.cli.output import print_json, print_line, print_table
from haconiwa_core.log import Log

HELP = "read a running container's definition again, show what differs, and change what can change while it runs"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("name", metavar="NAME", help="of a container that the resident supervisor keeps")
    parser.add_argument("--dry-run", action="store_true", help="show it only")
    add_format(parser)


def main(options: Options, log: Log) -> int:
    """Reload a definition; return 0.

    What counts is the file: what was given with --set, or changed with `haconiwa update`, is as the file says then.
    """
    from haconiwa_runtime.recorded import find

    from haconiwa_core.definition.reading import read
    from haconiwa_core.errors import DefinitionError, HaconiwaError, Problem
    from haconiwa_core.plugins.loading import Plugins
    from haconiwa_core.runtime.store import Store
    from haconiwa_supervision.commands.asking import asked
    from haconiwa_supervision.transport import definition_to_json

    store = Store()
    started = find(store, options.name).record.container
    file = asked(store, options.name, "inspect")["definition"]
    if not file:
        raise HaconiwaError(f"{options.name} was started by a program: it has no definition that could be read again")
    found = [container for container in read(file, Plugins()) if container.name == started["name"]]
    if not found:
        raise DefinitionError([Problem(f"defines no container named {started['name']} any more", file=file)])
    in_background = all(started[stream] != "inherit" for stream in ("stdin", "stdout", "stderr"))
    container = found[0].detached() if in_background else found[0]
    definition = definition_to_json(container, file)
    differences = asked(store, options.name, "reload", definition=definition, apply=not options.dry_run)
    if options.format == "json":
        print_json(differences)
    else:
        _show(options.name, differences)
    return 0


def _show(name: str, differences: list[dict[str, Any]]) -> None:
    if not differences:
        print_line("no option and no hook differs")
        return
    rows = [
        (item["what"], _text(item["old"]), _text(item["new"]), "now" if item["at_once"] else "with its next start")
        for item in differences
    ]
    print_table(("WHAT", "OLD", "NEW", "CHANGES"), rows)
    if not all(item["at_once"] for item in differences):
        print_line(f"`haconiwa restart {name}` takes up the rest")


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value)

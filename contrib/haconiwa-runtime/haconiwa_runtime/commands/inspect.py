"""`haconiwa inspect`."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace as Options
from typing import Any

from haconiwa_core.cli.arguments import add_format
from haconiwa_core.cli.output import print_json, print_table
from haconiwa_core.definition.stored import read_stored
from haconiwa_core.linux.host import LOG_NAME
from haconiwa_core.log import Log
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.record import encoded
from haconiwa_core.runtime.store import Store
from haconiwa_runtime.client import ask_about
from haconiwa_runtime.recorded import Found, find

HELP = "show all that is known of a container"

_WIDTH = 40
"""Characters of a cell; JSON has all."""


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("name", metavar="NAME")
    parser.add_argument(
        "--isolation", action="store_true", help="what is asked for, and what the kernel says of its first process"
    )
    add_format(parser)


def main(options: Options, log: Log) -> int:
    """Show a container; return 0."""
    store = Store()
    found = find(store, options.name)
    if options.isolation:
        _show_isolation(found, options.format)
        return 0
    directory = store.directory / options.name
    facts = {
        **json.loads(encoded(found.record)),
        "status": found.state,
        "log": str(directory / LOG_NAME),
        **_in_force(found),
    }
    if kept := ask_about(store, options.name, "inspect"):
        facts["kept"] = kept["value"]
    if options.format == "json":
        print_json(facts)
    else:
        print_table(("WHAT", "VALUE"), list(_rows("", facts)))
    return 0


def _show_isolation(found: Found, format: str) -> None:
    """Print the isolation matrix of a running container."""
    from haconiwa_runtime.isolation import isolation_of_found

    rows = isolation_of_found(found)
    if format == "json":
        print_json(rows.to_json())
        return
    header = ("SECTION", "WHAT", "STATE", "ASKED", "IN FORCE", "HOST", "VERIFIED BY")
    cells = [(row.section, row.what, row.state, row.asked, row.in_force, row.host, row.verified) for row in rows]
    print_table(header, [tuple(_short(cell) for cell in row) for row in cells])


def _short(text: str) -> str:
    return "-" if not text else text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."


def _in_force(found: Found) -> dict[str, Any]:
    """Return what the plugins of a running container's features read back of it."""
    if found.state not in ("running", "paused"):
        return {}
    plugins = Plugins()
    told: dict[str, Any] = {}
    for feature in read_stored(found.record.container, plugins).features:
        try:
            status = plugins.status(feature, found.record.name)
        except OSError as error:
            status = {"problem": f"cannot be read back: {error}"}
        if status is not None:
            told[feature.section] = status
    return {"in_force": told} if told else {}


def _rows(prefix: str, value: Any) -> list[tuple[str, str]]:
    """Return a line for each value, named by its path."""
    if isinstance(value, dict) and value:
        return [row for key, inner in value.items() for row in _rows(f"{prefix}.{key}" if prefix else key, inner)]
    return [(prefix, "-" if value is None else str(value))]

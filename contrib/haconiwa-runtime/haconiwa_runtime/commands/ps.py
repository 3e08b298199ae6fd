"""`haconiwa ps`."""

from __future__ import annotations

import shlex
import time
from argparse import ArgumentParser, Namespace as Options
from typing import Any

from haconiwa_core.cli.arguments import add_format
from haconiwa_core.cli.output import print_json, print_line, print_table
from haconiwa_core.log import Log
from haconiwa_core.runtime.store import Store
from haconiwa_runtime.filters import parsed, wanted
from haconiwa_runtime.recorded import LIVE, Found, find_all

HELP = "list containers that run; with --all those that have ended, too"

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("-a", "--all", action="store_true", help="list those that have ended, too")
    parser.add_argument("-q", "--quiet", action="store_true", help="print names only")
    parser.add_argument(
        "--filter",
        dest="filters",
        action="append",
        default=[],
        type=parsed,
        metavar="KEY=VALUE",
        help="list those only whose state, reason, name or definition is this; * and ? stand for anything",
    )
    add_format(parser)


def main(options: Options, log: Log) -> int:
    """List containers; return 0."""
    found = [each for each in find_all(Store()) if wanted(each, options.filters, ended=options.all)]
    if options.quiet:
        for each in found:
            print_line(each.record.name)
        return 0
    rows = [_row(each) for each in found]
    if options.format == "json":
        print_json(rows)
        return 0
    header = ("NAME", "STATE", "PID", "AGE", "STATUS", "REASON", "COMMAND")
    print_table(header, [_cells(row) for row in rows])
    return 0


def _row(found: Found) -> dict[str, Any]:
    record = found.record
    return {
        "name": record.name,
        "definition": record.container.get("name"),
        "state": found.state,
        "pid": found.record.child.pid if found.record.child and found.state in LIVE else None,
        "began": record.began,
        "exit_status": record.exit_status,
        "reason": record.reason or None,
        "certainty": record.certainty or None,
        "terminal": record.container.get("terminal", False),
        "command": list(record.container.get("command", ())),
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    pid, status = row["pid"], row["exit_status"]
    return (
        row["name"],
        row["state"],
        "-" if pid is None else str(pid),
        _age(row["began"]),
        "-" if status is None else str(status),
        _reason(row),
        shlex.join(row["command"]),
    )


def _reason(row: dict[str, Any]) -> str:
    reason = row["reason"] or "-"
    return f"likely {reason}" if row["certainty"] == "likely" else reason


def _age(began: float) -> str:
    """Return how long ago something was, in its largest unit."""
    seconds = max(0, int(time.time() - began))
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= size or size == 1)
    return f"{seconds // size}{unit}"

"""`haconiwa ps`."""

from __future__ import annotations

import shlex
import time
from argparse import ArgumentParser, Namespace as Options
from typing import Any

from haconiwa_core.cli.arguments import add_format
from haconiwa_core.cli.output import print_json, print_table
from haconiwa_core.log import Log
from haconiwa_core.runtime.store import Store
from haconiwa_runtime.recorded import LIVE, Found, find_all

HELP = "list containers that run; with --all those that have ended, too"

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("-a", "--all", action="store_true", help="list those that have ended, too")
    add_format(parser)


def main(options: Options, log: Log) -> int:
    """List containers; return 0."""
    found = [each for each in find_all(Store()) if options.all or each.state not in ("exited", "lost")]
    rows = [_row(each) for each in found]
    if options.format == "json":
        print_json(rows)
        return 0
    header = ("NAME", "STATE", "PID", "AGE", "STATUS", "COMMAND")
    print_table(header, [_cells(row) for row in rows])
    return 0


def _row(found: Found) -> dict[str, Any]:
    record = found.record
    return {
        "name": record.name,
        "state": found.state,
        "pid": found.record.child.pid if found.record.child and found.state in LIVE else None,
        "began": record.began,
        "exit_status": record.exit_status,
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
        shlex.join(row["command"]),
    )


def _age(began: float) -> str:
    """Return how long ago something was, in its largest unit."""
    seconds = max(0, int(time.time() - began))
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= size or size == 1)
    return f"{seconds // size}{unit}"

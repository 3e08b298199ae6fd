"""`haconiwa top`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options
from collections.abc import Sequence
from typing import Any

from haconiwa_display import Row
from haconiwa_runtime.recorded import find

from haconiwa_core.log import Log
from haconiwa_core.runtime.store import Store
from haconiwa_stats.commands.watching import add_watching, show
from haconiwa_stats.members import Member, Members
from haconiwa_stats.text import UNKNOWN, size

HELP = "show the processes of a container, again and again"

_HEADER = ("PID", "INSIDE", "USER", "S", "CPU%", "MEMORY", "COMMAND")
_LONGEST = 1000
"""Of a command line in a table."""


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("name", metavar="NAME", help="of a container")
    add_watching(parser)


def main(options: Options, log: Log) -> int:
    """Show a container's processes until it has ended; return 0."""
    found = find(Store(), options.name)
    _ = found.child
    members = Members(found.record)

    def look() -> Sequence[Member] | None:
        return members.look() or None

    show(options, look, _HEADER, _row, _told)
    return 0


def _row(member: Member) -> Row:
    process = member.process
    command = " ".join(member.command) or f"[{process.name}]"
    return Row(
        (
            str(process.pid),
            str(member.inside),
            member.user,
            process.state,
            UNKNOWN if member.cpu is None else f"{member.cpu:.1f}",
            size(process.memory),
            command if len(command) <= _LONGEST else f"{command[:_LONGEST]}...",
        ),
        "weak" if process.state == "Z" else "",
    )


def _told(member: Member) -> dict[str, Any]:
    process = member.process
    return {
        "pid": process.pid,
        "inside": member.inside,
        "user": member.user,
        "uid": member.uid,
        "state": process.state,
        "cpu_percent": member.cpu,
        "cpu_seconds": process.cpu,
        "memory": process.memory,
        "threads": process.threads,
        "name": process.name,
        "command": list(member.command),
    }

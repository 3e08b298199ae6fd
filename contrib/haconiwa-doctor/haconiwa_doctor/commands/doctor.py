"""`haconiwa doctor`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_display import Row, Style, print_table

from haconiwa_core.cli.arguments import add_format
from haconiwa_core.cli.output import print_json
from haconiwa_core.log import Log
from haconiwa_doctor import API_VERSION
from haconiwa_doctor.report import Line, examine, is_fine

HELP = "say what this host allows, tried, with the remedy beside what it does not; exit status 1 if nothing can start"


_STYLES: dict[str, Style] = {"ok": "good", "degraded": "", "missing": "bad"}


def configure(parser: ArgumentParser) -> None:
    """Add the arguments of `doctor`."""
    add_format(parser)


def main(options: Options, log: Log) -> int:
    """Print what is found; return 1 if something is missing without which no container starts, else 0."""
    lines = list(examine())
    fine = is_fine(lines)
    if options.format == "json":
        checks = [{"group": line.group, **line.diagnosis._asdict()} for line in lines]
        print_json({"apiVersion": API_VERSION, "ok": fine, "checks": checks})
    else:
        print_table(("GROUP", "CHECK", "STATE", "MEANING"), [row for line in lines for row in _rows(line)])
    return 0 if fine else 1


def _rows(line: Line) -> list[Row]:
    name, state, meaning, remedy, essential = line.diagnosis
    shown = f"{state}, needed" if essential and state == "missing" else state
    rows = [Row((line.group, name, shown, meaning), _STYLES[state])]
    return [*rows, Row(("", "", "remedy", remedy), "weak")] if remedy else rows

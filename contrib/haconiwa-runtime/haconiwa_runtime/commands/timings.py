"""`haconiwa timings`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options
from pathlib import Path

from haconiwa_core.cli.output import print_json, print_line
from haconiwa_core.errors import HaconiwaError
from haconiwa_core.log import Log
from haconiwa_core.runtime.store import Store
from haconiwa_runtime.timings import read_timings

HELP = "show how long each part of a container's last start has taken"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw it there, as a picture")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="how it is printed")


def main(options: Options, log: Log) -> int:
    """Show or draw the timings; return 0."""
    spans = read_timings(Store(), options.name)
    if options.svg:
        from haconiwa_runtime.timings.svg import drawing

        try:
            options.svg.write_text(drawing(options.name, spans), encoding="utf-8")
        except OSError as error:
            raise HaconiwaError(f"cannot write {options.svg}: {error.strerror}") from error
    elif options.format == "json":
        print_json([span._asdict() for span in spans])
    else:
        from shutil import get_terminal_size

        from haconiwa_runtime.timings.table import table

        for line in table(spans, get_terminal_size().columns):
            print_line(line)
    return 0

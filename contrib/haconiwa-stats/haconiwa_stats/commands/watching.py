"""What the verbs have in common that look again and again."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace as Options
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from haconiwa_display import Row, live

from haconiwa_core.cli.arguments import add_format
from haconiwa_core.cli.output import print_json, print_line

T = TypeVar("T")

_LEAST, _MOST = 0.1, 3600.0


def add_watching(parser: ArgumentParser) -> None:
    """Add `no_stream`, `interval` and `format`."""
    parser.add_argument("--no-stream", action="store_true", help="print once, an interval after the first look")
    parser.add_argument(
        "--interval", type=_interval, default=1.0, metavar="SECONDS", help="between two looks; 1 by default"
    )
    add_format(parser)


def show(
    options: Options,
    look: Callable[[], Sequence[T] | None],
    header: Sequence[str],
    row: Callable[[T], Row],
    told: Callable[[T], Mapping[str, Any]],
) -> None:
    """Look until there is nothing left to look at, or once, and print what is found.

    Args:
        options: as `add_watching` has them parsed.
        look: finds what is there; None where nothing will be any more.
        header: of the table.
        row: makes a row of what was found.
        told: makes of it what is printed as JSON: a list of all, or while it goes on one on each line.
    """
    looks = _looks(look, options.interval, once=options.no_stream)
    if options.format == "table":
        live(header, ([row(each) for each in found] for found in looks))
    elif options.no_stream:
        print_json([told(each) for found in looks for each in found])
    else:
        for found in looks:
            for each in found:
                print_line(json.dumps(told(each)))
            sys.stdout.flush()


def _looks(look: Callable[[], Sequence[T] | None], interval: float, *, once: bool) -> Iterator[Sequence[T]]:
    # Rates are known from the second one on.
    found = look()
    while found is not None:
        if not once:
            yield found
        time.sleep(interval)
        found = look()
        if once:
            yield found or ()
            return


def _interval(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not _LEAST <= value <= _MOST:
        raise ArgumentTypeError(f"{text!r} is no number of seconds from {_LEAST} to {_MOST:.0f}")
    return value

"""What the verbs have in common that act on containers by name."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace as Options
from collections.abc import Callable

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.log import Log

_LONGEST = 1e6


def add_names(parser: ArgumentParser) -> None:
    """Let a verb take names of containers."""
    parser.add_argument("names", metavar="NAME", nargs="+", help="of a container")


def each_name(options: Options, log: Log, act: Callable[[str], None]) -> int:
    """Act on each container, whatever happens to the others; return the last failure's exit status, else 0."""
    status = 0
    for name in options.names:
        try:
            act(name)
        except HaconiwaError as error:
            log.error(str(error))
            status = error.exit_status
    return status


def seconds(text: str) -> float:
    """Return a number of seconds, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= _LONGEST:
        raise ArgumentTypeError(f"{text!r} is no number of seconds from 0 to {_LONGEST:.0f}")
    return value

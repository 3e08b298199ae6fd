"""What the verbs have in common that act on containers by name."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace as Options
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.log import Log
from haconiwa_core.runtime.store import Store
from haconiwa_runtime.recorded import LIVE, find_all

if TYPE_CHECKING:
    from datetime import datetime

_LONGEST = 1e6
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def add_names(parser: ArgumentParser, *, all: bool = False) -> None:
    """Let a verb take names of containers; with `all`, also an option for all that run."""
    parser.add_argument("names", metavar="NAME", nargs="*" if all else "+", help="of a container")
    if all:
        parser.add_argument("-a", "--all", action="store_true", help="all containers that run")


def chosen(options: Options, store: Store) -> Sequence[str]:
    """Return the names that a verb with the option `--all` is about.

    Raises:
        HaconiwaError: there are none, and not all are meant.
    """
    if options.all:
        return [found.record.name for found in find_all(store) if found.state in LIVE]
    if not options.names:
        raise HaconiwaError("which containers? give names, or --all")
    names: Sequence[str] = options.names
    return names


def each_name(names: Sequence[str], log: Log, act: Callable[[str], None], *, at_once: int = 1) -> int:
    """Act on each container, whatever happens to the others; return the last failure's exit status, else 0.

    Args:
        names: of containers.
        log: for what has failed.
        act: is called with each name.
        at_once: for how many of them at the same time, in threads.
    """

    def failure(name: str) -> HaconiwaError | None:
        try:
            act(name)
        except HaconiwaError as error:
            return error
        return None

    with ThreadPoolExecutor(at_once) as pool:
        failures = [error for error in pool.map(failure, names) if error]
    for error in failures:
        log.error(str(error))
    return failures[-1].exit_status if failures else 0


def seconds(text: str) -> float:
    """Return a number of seconds, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= _LONGEST:
        raise ArgumentTypeError(f"{text!r} is no number of seconds from 0 to {_LONGEST:.0f}")
    return value


def moment(text: str) -> datetime:
    """Return a moment of the past, such as 10m, or one that is told, such as 2026-01-31T12:00:00Z."""
    from datetime import UTC, datetime, timedelta

    try:
        if text[-1:] in _UNITS:
            return datetime.now(UTC) - timedelta(**{_UNITS[text[-1]]: float(text[:-1])})
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is neither like 10m nor like 2026-01-31T12:00:00Z") from None

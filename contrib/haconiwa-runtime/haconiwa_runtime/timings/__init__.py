"""How long each part of a container's start has taken."""

from __future__ import annotations

import json
from typing import get_args

from haconiwa_core.errors import RecordError
from haconiwa_core.runtime.store import Store, read_file
from haconiwa_core.runtime.timings import FILE_NAME, VERSION, Lane, Span

_UNITS = (("s", 10**9), ("ms", 10**6))


def read_timings(store: Store, name: str) -> tuple[Span, ...]:
    """Return the parts of a container's last start.

    Raises:
        RecordError: there is no such container, or its timings are not kept, or damaged.
    """
    path = store.directory / name / FILE_NAME
    text = read_file(path)
    if text is None:
        store.read(name)
        raise RecordError(f"no timings of {name} are kept; of one in the foreground they are when it has ended")
    try:
        data = json.loads(text)
        if data["version"] != VERSION:
            raise ValueError(f"they are not of version {VERSION}")
        return tuple(_checked(Span(*item)) for item in data["spans"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RecordError(f"{path} is damaged: {error!r}") from error


def duration(nanoseconds: int) -> str:
    """Return a time in a unit in which it has three digits or so."""
    unit, size = next((each for each in _UNITS if nanoseconds >= each[1]), ("µs", 1000))
    value = nanoseconds / size
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"


def _checked(span: Span) -> Span:
    texts, numbers = span[:4], span[4:]
    if span.lane not in get_args(Lane) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{span.lane!r} has no such part")
    if not all(type(number) is int for number in numbers) or not 0 <= span.begin <= span.end:
        raise ValueError("a part ends before it begins")
    return span

"""`haconiwa stats`."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace as Options
from collections.abc import Iterable, Sequence
from typing import Any

from haconiwa_display import Row

from haconiwa_core.log import Log
from haconiwa_core.runtime.store import Store
from haconiwa_stats.commands.watching import add_watching, show
from haconiwa_stats.sampling import MINUTE, Sample, Sampler
from haconiwa_stats.text import UNKNOWN, of_limit, size, sparkline, whole

HELP = "show what running containers use, again and again"

_HEADER = ("NAME", "CPU%", "MEMORY", "1 MIN", "PIDS", "IO R/W", "WAIT C/M/I", "FROM")
_WIDTH = 8
"""Of the picture of the last minute."""
_MUCH = 0.9
"""Of a limit."""


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("names", metavar="NAME", nargs="*", help="of a container; all that run by default")
    add_watching(parser)


def main(options: Options, log: Log) -> int:
    """Show what containers use until the named ones have ended; return 0."""
    sampler = Sampler(Store(), options.names)

    def look() -> Sequence[Sample] | None:
        found = sampler.samples()
        return found if found or not options.names else None

    show(options, look, _HEADER, _row, _told)
    return 0


def _row(sample: Sample) -> Row:
    usage = sample.usage
    cells = (
        sample.name,
        UNKNOWN if sample.cpu is None else f"{sample.cpu:.1f}",
        of_limit(size(usage.memory), size(usage.memory_limit)),
        _last_minute(sample),
        of_limit(whole(usage.pids), whole(usage.pids_limit)),
        _slashed(map(size, (sample.io_read, sample.io_written))),
        _slashed(map(whole, (usage.cpu_pressure, usage.memory_pressure, usage.io_pressure))),
        usage.source,
    )
    full = _is_full(usage.memory, usage.memory_limit) or _is_full(usage.pids, usage.pids_limit)
    return Row(cells, "bad" if full else "")


def _slashed(words: Iterable[str]) -> str:
    texts = tuple(words)
    return UNKNOWN if set(texts) == {UNKNOWN} else "/".join(texts)


def _is_full(used: int | None, limit: int | None) -> bool:
    return used is not None and limit is not None and used >= _MUCH * limit


def _last_minute(sample: Sample) -> str:
    """Return the memory of the last minute against the limit; without one, against the most that it was."""
    parts: list[int | None] = [None] * _WIDTH
    for ago, value in sample.memory:
        part = _WIDTH - 1 - min(_WIDTH - 1, int(ago * _WIDTH / MINUTE))
        parts[part] = max(value, parts[part] or 0)
    most = max((value for _, value in sample.memory), default=0)
    return sparkline(parts, sample.usage.memory_limit or most)


def _told(sample: Sample) -> dict[str, Any]:
    usage = sample.usage
    return {
        "time": time.time(),
        "name": sample.name,
        "source": usage.source,
        "cpu_percent": sample.cpu,
        "memory": usage.memory,
        "memory_limit": usage.memory_limit,
        "pids": usage.pids,
        "pids_limit": usage.pids_limit,
        "io_read": sample.io_read,
        "io_written": sample.io_written,
        "cpu_pressure": usage.cpu_pressure,
        "memory_pressure": usage.memory_pressure,
        "io_pressure": usage.io_pressure,
    }

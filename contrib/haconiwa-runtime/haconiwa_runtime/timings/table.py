"""Timings as lines of text: a row for each part, with a bar that shows when it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from haconiwa_core.log import escape
from haconiwa_core.runtime.timings import Span
from haconiwa_runtime.timings import duration

_HEADER = ("LANE", "STAGE", "PLUGIN", "WHAT", "AT", "TOOK")
_GAP = "  "
_NARROWEST = 20
_MARKS = {"host": "#", "child": "="}
_WAIT = "."


def table(spans: Sequence[Span], width: int) -> Iterator[str]:
    """Yield the lines of a chart.

    Args:
        spans: of a start, at least one.
        width: columns of a line; the bars have what the texts leave, and 20 at least.
    """
    ordered = sorted(spans, key=lambda span: (span.begin, span.end))
    rows = [_HEADER, *(_cells(span) for span in ordered)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = max(_NARROWEST, width - sum(widths) - len(_GAP) * len(widths))
    total = max(span.end for span in spans)
    bars = ["", *(_bar(span, total, left) for span in ordered)]
    for row, bar in zip(rows, bars, strict=True):
        *texts, at, took = (cell.ljust(size) for cell, size in zip(row, widths, strict=True))
        numbers = (cell.strip().rjust(len(cell)) for cell in (at, took))
        yield _GAP.join([*texts, *numbers, bar]).rstrip()


def _cells(span: Span) -> tuple[str, ...]:
    texts = (span.lane, span.stage, span.plugin or "-", span.what or "-")
    return (
        *(escape(text).replace("\n", r"\n") for text in texts),
        duration(span.begin),
        duration(span.end - span.begin),
    )


def _bar(span: Span, total: int, width: int) -> str:
    """Return a bar of one column at least."""
    begin = min(width - 1, span.begin * width // total) if total else 0
    end = max(begin + 1, round(span.end * width / total)) if total else 1
    mark = _WAIT if span.what == "wait" else _MARKS[span.lane]
    return " " * begin + mark * (end - begin)

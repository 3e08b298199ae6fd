"""Timings as a picture: the lanes of host and child along one axis of time, and below them a row for each part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import cycle, groupby
from math import log10

from haconiwa_core.log import escape as printable
from haconiwa_core.runtime.timings import Span
from haconiwa_runtime.timings import duration

_WIDTH, _MARGIN = 1200, 28
_LEFT, _RIGHT = 400, _WIDTH - 100
"""Where the axis begins, behind the labels, and ends, before the last duration."""
_STAGE, _LABEL = _MARGIN + 16, _MARGIN + 128
_TITLE, _LEGEND, _AXIS = 40, 68, 112
_LANES = {"host": _AXIS + 12, "child": _AXIS + 46}
_LANE = 28
_FIRST_ROW, _ROW, _BAR = _AXIS + 92, 21, 13
_LETTER, _CAPITAL = 6.6, 9.0
"""How wide they are at most, to know which texts fit."""
_TICKS = 8

_INK, _FAINT, _GRID, _STRIPE = "#1f2933", "#6b7785", "#dde3e9", "#f5f7f9"
_SHADES = {"host": ("#2f6db5", "#6a9fd8"), "child": ("#1f7a54", "#56b389")}
"""Of the stages of a lane, in turn, so that two that touch are told apart."""
_WAIT = "url(#wait)"
_NO_CHARACTERS = dict.fromkeys((0xFFFE, 0xFFFF), "?")
_LEGENDS = (
    (_SHADES["host"][0], "host: the supervising process"),
    (_SHADES["child"][0], "child: the launcher, and the container that it clones"),
    (_WAIT, "the child waits for the host"),
)
_HEAD = f"""<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="%(height)s" viewBox="0 0 {_WIDTH} %(height)s"
 font-family="DejaVu Sans, Verdana, sans-serif" font-size="12" fill="{_INK}">
<title>%(title)s</title>
<defs><pattern id="wait" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect width="6" height="6" fill="#eef1f4"/><rect width="2" height="6" fill="#aab4bf"/></pattern></defs>
<rect width="100%%" height="100%%" fill="#ffffff"/>
<text x="{_MARGIN}" y="{_TITLE}" font-size="18" font-weight="bold">%(title)s</text>"""


def drawing(name: str, spans: Sequence[Span]) -> str:
    """Return an SVG document that needs nothing else.

    Args:
        name: of the container.
        spans: of its start.
    """
    total = max((span.end for span in spans), default=0)
    ordered = sorted(spans, key=lambda span: (span.begin, span.end))
    height = _FIRST_ROW + _ROW * len(ordered) + _MARGIN
    title = _text(f"{name}: its command was executed after {duration(total)}")
    chart = _Chart(max(total, 1))
    stripes, rows = zip(*chart.rows(ordered), strict=True) if ordered else ((), ())
    parts = (
        _HEAD % {"height": height, "title": title},
        *_legend(),
        *stripes,
        *chart.axis(height - _MARGIN),
        *chart.lanes(ordered),
        *rows,
        "</svg>\n",
    )
    return "\n".join(parts)


class _Chart:
    """What lies along the axis of time.

    Args:
        total: its length in nanoseconds.
    """

    def __init__(self, total: int) -> None:
        self._total = total

    def axis(self, bottom: int) -> Iterator[str]:
        """Yield a line and a label for each tick."""
        for time in range(0, self._total + 1, _step(self._total)):
            x = self._x(time)
            yield f'<path d="M{x:.1f} {_AXIS}V{bottom}" stroke="{_GRID}"/>'
            place = f'x="{x:.1f}" y="{_AXIS - 6}" font-size="11" text-anchor="middle"'
            yield f'<text {place} fill="{_FAINT}">{_round(time)}</text>'

    def lanes(self, ordered: Sequence[Span]) -> Iterator[str]:
        """Yield the lanes: a bar for each stage, and for each time that the child waits."""
        for lane, top in _LANES.items():
            middle = top + _LANE / 2 + 4
            yield f'<text x="{_LEFT - 12}" y="{middle}" font-weight="bold" text-anchor="end">{lane}</text>'
            own = [span for span in ordered if span.lane == lane]
            shades = cycle(_SHADES[lane])
            for (stage, what), group in groupby(own, lambda span: (span.stage, span.what == "wait")):
                begin, *_, end = (time for span in group for time in (span.begin, span.end))
                yield self._bar(begin, end, (top, _LANE), _WAIT if what else next(shades), stage)
                x, width = self._place(begin, end)
                if not what and len(stage) * _CAPITAL < width:
                    place = f'x="{x + width / 2:.1f}" y="{middle}"'
                    yield f'<text {place} fill="#ffffff" font-size="11" text-anchor="middle">{_text(stage)}</text>'

    def rows(self, ordered: Sequence[Span]) -> Iterator[tuple[str, str]]:
        """Yield the background of each row, and its text and bar."""
        former, striped = None, False
        for number, span in enumerate(ordered):
            top = _FIRST_ROW + _ROW * number
            y = top + _ROW / 2 + 4
            row = ""
            if former != (span.lane, span.stage):
                former, striped = (span.lane, span.stage), not striped
                row = f'<circle cx="{_MARGIN + 5}" cy="{y - 4}" r="4" fill="{_SHADES[span.lane][0]}"/>'
                row += f'<text x="{_STAGE}" y="{y}" font-weight="bold">{_text(span.stage)}</text>'
            x, width = self._place(span.begin, span.end)
            took = duration(span.end - span.begin)
            colour = _WAIT if span.what == "wait" else _SHADES[span.lane][0]
            tip = f"{span.stage} {span.plugin} {span.what}: {took}, {duration(span.begin)} after the beginning"
            row += f'<text x="{_LABEL}" y="{y}">{_label(span)}</text>'
            row += self._bar(span.begin, span.end, (top + (_ROW - _BAR) / 2, _BAR), colour, tip)
            row += f'<text x="{x + width + 6:.1f}" y="{y}" fill="{_FAINT}" font-size="11">{took}</text>'
            colour = _STRIPE if striped else "none"
            place = f'x="{_MARGIN - 8}" y="{top}" width="{_WIDTH - 2 * _MARGIN + 16}" height="{_ROW}"'
            yield f'<rect {place} fill="{colour}"/>', row

    def _bar(self, begin: int, end: int, vertical: tuple[float, int], colour: str, tip: str) -> str:
        x, width = self._place(begin, end)
        y, height = vertical
        place = f'x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}"'
        return f'<rect {place} fill="{colour}"><title>{_text(tip)}</title></rect>'

    def _place(self, begin: int, end: int) -> tuple[float, float]:
        """Return where a bar begins and how wide it is; it can always be seen."""
        x = self._x(begin)
        return x, max(1.5, self._x(end) - x)

    def _x(self, time: int) -> float:
        return _LEFT + (_RIGHT - _LEFT) * time / self._total


def _legend() -> Iterator[str]:
    x: float = _MARGIN
    for colour, text in _LEGENDS:
        yield f'<rect x="{x}" y="{_LEGEND - 10}" width="12" height="12" fill="{colour}"/>'
        yield f'<text x="{x + 18}" y="{_LEGEND}" fill="{_FAINT}">{text}</text>'
        x += 48 + len(text) * _LETTER


def _label(span: Span) -> str:
    """Return plugin and step, shortened to the room that they have."""
    if span.what == "wait":
        return f'<tspan fill="{_FAINT}">waits</tspan>'
    room = int((_LEFT - _LABEL - 12) / _LETTER)
    plugin = _shortened(span.plugin, room)
    what = _shortened(span.what, room - len(plugin) - 1)
    return f'{_text(plugin)} <tspan fill="{_FAINT}">{_text(what)}</tspan>' if what else _text(plugin)


def _shortened(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: max(0, room - 3)]}..."


def _step(total: int) -> int:
    """Return a round number of nanoseconds that divides a time into a few ticks."""
    least = total / _TICKS
    power = int(10 ** int(log10(max(least, 1))))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)


def _round(time: int) -> str:
    """Return the label of a tick."""
    number, unit = duration(time).split()
    return f"{float(number):g} {unit}" if time else "0"


def _text(text: str) -> str:
    """Return a text as XML has it; what no document may hold is replaced."""
    return escape(printable(text)).translate(_NO_CHARACTERS)

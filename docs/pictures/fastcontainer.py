"""Ten tenants whose containers live by requests, as a run of examples/fastcontainer has seen them: fastcontainer.json.

python examples/fastcontainer/run.py --folder docs/pictures
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil, log10
from pathlib import Path
from typing import Any, NamedTuple

from pictures.drawing import BAD, CHILD, FAINT, GRID, HOST, STRIPE, UNKNOWN, area, box, document, dot, path, text

DATA = Path(__file__).with_name("fastcontainer.json")
WIDTH, LEFT, RIGHT = 1080, 104, 1048
TOP, LANE, ROW, GAP = 84, 24, 10, 58
CONTAINERS, FRONT, SUPERVISOR = "#9cc9b3", HOST, "#86a9d0"
"""Of memory, from below."""

Points = list[tuple[float, float]]


def picture() -> str:
    """Return the picture of what was measured."""
    return drawn(json.loads(DATA.read_text("utf-8")))


def drawn(data: dict[str, Any]) -> str:
    """Return the picture of a run's data."""
    scale = (RIGHT - LEFT) / data["seconds"]
    lanes = list(_lanes(data))
    parts: list[str] = []
    y = TOP + sum(lane.height for lane in lanes)
    parts += _tenants(lanes, data, scale)
    panels = []
    for height, draw in ((70, _running), (80, _requests), (150, _latency), (110, _memory)):
        y += GAP
        panels += draw(data, scale, y, y + height)
        y += height
    end = LEFT + data["traffic"] * scale
    parts.append(path([(end, TOP), (end, y)], FAINT, dashes="3 4"))
    parts.append(text(end - 5, TOP - 5, "the last request", size=11, colour=FAINT, anchor="end"))
    parts += panels
    parts += _seconds(data["seconds"], scale, y)
    parts.append(text(LEFT, y + 66, f"{data['date']}, {data['machine']}: {data['command']}", size=11, colour=FAINT))
    return document(WIDTH, round(y) + 84, _title(data), parts)


def _title(data: dict[str, Any]) -> str:
    lost = f"{data['lost']} lost" if data["lost"] else "none lost"
    most = max(row[1] for row in data["samples"])
    asked = f"{len(data['tenants'])} tenants, {data['requests']} requests, {lost}"
    return f"{asked}; {len(data['containers'])} containers, at most {most} at once"


class _Lane(NamedTuple):
    """A tenant: where its lane begins, its containers, each with the row that it is in, and how many rows there are."""

    tenant: str
    top: float
    bars: list[tuple[int, list[Any]]]
    rows: int

    @property
    def height(self) -> float:
        return max(LANE, self.rows * (ROW + 3) + 9)


def _lanes(data: dict[str, Any]) -> Iterator[_Lane]:
    top: float = TOP
    for tenant in data["tenants"]:
        bars: list[tuple[int, list[Any]]] = []
        ends: list[float] = []
        for life in sorted((life for life in data["containers"] if life[0] == tenant), key=lambda life: life[1]):
            row = next((number for number, end in enumerate(ends) if end <= life[1]), len(ends))
            ends[row:] = [life[2], *ends[row + 1 :]]
            bars.append((row, life))
        lane = _Lane(tenant, top, bars, len(ends))
        yield lane
        top += lane.height


def _tenants(lanes: Sequence[_Lane], data: dict[str, Any], scale: float) -> Iterator[str]:
    legend = (("container", CHILD), ("replaced, for its time is over", UNKNOWN), ("could not be started", BAD))
    yield text(LEFT, TOP - 24, "containers of each tenant", bold=True, colour=CHILD)
    x = 420.0
    for words, colour in legend:
        yield box(x, TOP - 33, 10, 10, colour, round=2)
        yield text(x + 16, TOP - 24, words, size=11, colour=FAINT)
        x += 46 + 6.4 * len(words)
    for number, lane in enumerate(lanes):
        yield box(LEFT, lane.top, RIGHT - LEFT, lane.height, "#ffffff" if number % 2 else STRIPE)
        middle = lane.top + lane.height / 2
        yield text(LEFT - 8, middle + 4, lane.tenant, colour=FAINT, anchor="end")
        high = lane.rows * (ROW + 3) - 3
        for row, (_, begin, end, reason) in lane.bars:
            x, y = LEFT + begin * scale, middle - high / 2 + row * (ROW + 3)
            yield box(round(x, 1), round(y, 1), round(max((end - begin) * scale, 1.5), 1), ROW, CHILD, round=2)
            if reason == "life":
                yield box(round(LEFT + end * scale - 3, 1), round(y, 1), 3, ROW, UNKNOWN)
        for at, tenant in data["failures"]:
            if tenant == lane.tenant:
                yield box(round(LEFT + at * scale - 1.5, 1), middle - ROW / 2, 3, ROW, BAD)


def _running(data: dict[str, Any], scale: float, top: float, bottom: float) -> Iterator[str]:
    samples = data["samples"]
    most = _round(max(row[1] for row in samples))
    points: Points = [(LEFT + row[0] * scale, bottom - row[1] / most * (bottom - top)) for row in samples]
    steps = [point for (x, y), (after, _) in pairwise(points) for point in ((x, y), (after, y))]
    yield text(LEFT, top - 14, "containers that run", bold=True, colour=CHILD)
    yield from _grid(top, bottom, most, 2)
    yield path([*steps, points[-1]], CHILD, thick=2)


def _requests(data: dict[str, Any], scale: float, top: float, bottom: float) -> Iterator[str]:
    most = _round(max(row[1] for row in data["answered"]))
    yield text(LEFT, top - 14, "requests per second", bold=True, colour=HOST)
    yield from _grid(top, bottom, most, 2)
    for second, count, *_ in data["answered"]:
        x, high = LEFT + second * scale, count / most * (bottom - top)
        yield box(round(x + 0.5, 1), round(bottom - high, 1), round(scale - 1, 1), round(high, 1), HOST)


def _latency(data: dict[str, Any], scale: float, top: float, bottom: float) -> Iterator[str]:
    rows, cold = data["answered"], data["cold"]
    least = 10 ** int(log10(min(row[2] for row in rows)) // 1)
    most = 10 ** ceil(log10(max([row[3] for row in rows] + [row[2] for row in cold])))

    def place(seconds: float, milliseconds: float) -> tuple[float, float]:
        share = log10(max(milliseconds, least) / least) / log10(most / least)
        return LEFT + seconds * scale, bottom - share * (bottom - top)

    yield text(LEFT, top - 14, "time until an answer begins, ms", bold=True)
    for x, words, colour in (
        (420, "median of each second", HOST),
        (604, "99th percentile", UNKNOWN),
        (742, "a request that waited for a start", BAD),
    ):
        yield dot(x + 5, top - 18, 4, colour)
        yield text(x + 16, top - 14, words, size=11, colour=FAINT)
    decade = float(least)
    while decade <= most:
        y = place(0, decade)[1]
        yield path([(LEFT, y), (RIGHT, y)], GRID)
        yield text(LEFT - 8, y + 4, f"{decade:g}", size=11, colour=FAINT, anchor="end")
        decade *= 10
    yield path([place(row[0] + 0.5, row[3]) for row in rows], UNKNOWN, thick=1.5)
    yield path([place(row[0] + 0.5, row[2]) for row in rows], HOST, thick=2)
    for at, _, milliseconds in cold:
        yield dot(*place(at, milliseconds), 2.6, BAD)


def _memory(data: dict[str, Any], scale: float, top: float, bottom: float) -> Iterator[str]:
    rows = [(row[0], *(kib / 1024 for kib in row[2:])) for row in data["samples"]]
    most = _round(max(sum(row[1:]) for row in rows))
    yield text(LEFT, top - 14, "memory, MiB", bold=True)
    yield from _grid(top, bottom, most, 4)
    x = 420
    below: Points = [(LEFT + row[0] * scale, bottom) for row in rows]
    names = (("front", FRONT), ("supervisor, hooks, logs", SUPERVISOR), ("all processes of containers", CONTAINERS))
    for number, (words, colour) in enumerate(names):
        order = (2, 3, 1)[: number + 1]
        above = [
            (LEFT + row[0] * scale, bottom - sum(row[each] for each in order) / most * (bottom - top)) for row in rows
        ]
        yield area([*above, *reversed(below)], colour)
        yield box(x, top - 23, 10, 10, colour, round=2)
        yield text(x + 16, top - 14, words, size=11, colour=FAINT)
        x += 46 + round(6.4 * len(words))
        below = above


def _grid(top: float, bottom: float, most: float, ticks: int) -> Iterator[str]:
    for tick in range(ticks + 1):
        y = bottom - (bottom - top) * tick / ticks
        yield path([(LEFT, y), (RIGHT, y)], GRID)
        yield text(LEFT - 8, y + 4, f"{most * tick / ticks:g}", size=11, colour=FAINT, anchor="end")


def _seconds(seconds: float, scale: float, y: float) -> Iterator[str]:
    step = next(each for each in (1, 2, 5, 10, 20, 50, 100) if seconds / each <= 12)
    for second in range(0, int(seconds) + 1, step):
        yield path([(LEFT + second * scale, y), (LEFT + second * scale, y + 5)], FAINT)
        yield text(LEFT + second * scale, y + 20, f"{second}", size=11, colour=FAINT, anchor="middle")
    yield text((LEFT + RIGHT) / 2, y + 42, "seconds", size=11, colour=FAINT, anchor="middle")


def _round(most: float) -> float:
    """Return the next round number above, from 4, of which a half is round, too."""
    most = max(most, 4)
    power = 10.0 ** (ceil(log10(most)) - 1)
    return next(factor * power for factor in (1, 2, 4, 6, 8, 10) if factor * power >= most)

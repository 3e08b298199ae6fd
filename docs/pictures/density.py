"""What many containers under one supervisor take: the course that bench/density.py has written to density.json.

python bench/density.py 1000 docs/pictures/density.json
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import ceil, log10
from pathlib import Path

from pictures.drawing import CHILD, FAINT, GRID, HOST, document, path, text

DATA = Path(__file__).with_name("density.json")
WIDTH, HEIGHT = 1080, 400
TOP, BOTTOM = 96, 340
PANELS = (
    (88, 500, "kib", "memory of all our processes, MiB", 1 / 1024, HOST),
    (620, 1040, "milliseconds", "a start, ms", 1, CHILD),
)
TICKS = 5


def picture() -> str:
    """Return the picture of what was measured."""
    course = json.loads(DATA.read_text("utf-8"))
    most = course[-1]["containers"]
    last = course[-1]["kib"] / most
    title = f"{most} containers under one supervisor: {last:.1f} KiB of memory that is ours for each"
    return document(WIDTH, HEIGHT, title, [part for panel in PANELS for part in _panel(course, *panel)])


def _panel(
    course: list[dict[str, float]], left: float, right: float, key: str, title: str, unit: float, colour: str
) -> Iterator[str]:
    points = [(each["containers"], each[key] * unit) for each in course]
    most, top = points[-1][0], _round(max(value for _, value in points))
    yield text(left, TOP - 28, title, bold=True, colour=colour)
    for tick in range(TICKS + 1):
        y = BOTTOM - (BOTTOM - TOP) * tick / TICKS
        x = left + (right - left) * tick / TICKS
        yield path([(left, y), (right, y)], GRID)
        yield text(left - 8, y + 4, f"{top * tick / TICKS:g}", size=11, colour=FAINT, anchor="end")
        yield text(x, BOTTOM + 20, f"{most * tick / TICKS:g}", size=11, colour=FAINT, anchor="middle")
    yield text((left + right) / 2, BOTTOM + 42, "containers that run", size=11, colour=FAINT, anchor="middle")
    scale = ((right - left) / most, (BOTTOM - TOP) / top)
    yield path([(left + count * scale[0], BOTTOM - value * scale[1]) for count, value in points], colour, thick=2.5)


def _round(most: float) -> float:
    """Return the next round number above, which divides well."""
    power = 10.0 ** (ceil(log10(most)) - 1)
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= most)

"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

_BLOCKS = " ▁▂▃▄▅▆▇█"
_UNITS = "BKMGTPE"
_STEP = 1024
UNKNOWN = "-"


def size(value: float | None) -> str:
    """Return a number of bytes in at most four characters and a unit: 512B, 1.5K, 100M; "-" for none."""
    if value is None:
        return UNKNOWN
    unit = 0
    # What would be rounded to 1024 is one of the next.
    while value >= _STEP - 0.5 and unit < len(_UNITS) - 1:
        value /= _STEP
        unit += 1
    digits = 1 if unit and value < 9.95 else 0
    return f"{value:.{digits}f}{_UNITS[unit]}"


def whole(value: float | None) -> str:
    """Return a number without a fraction; "-" for none."""
    return UNKNOWN if value is None else f"{value:.0f}"


def of_limit(used: str, limit: str) -> str:
    """Return what is used, and its limit where there is one: 3M/10M."""
    return used if limit == UNKNOWN else f"{used}/{limit}"


def sparkline(values: Sequence[float | None], top: float) -> str:
    """Return a line of blocks, one for each value, as high as it is in comparison.

    Args:
        values: None is where nothing is known.
        top: what fills a block; more is shown as that. Anything above 0 is seen.
    """
    highest = len(_BLOCKS) - 1
    heights = [min(highest, ceil(value * highest / top)) if value and top > 0 else 0 for value in values]
    return "".join(_BLOCKS[height] for height in heights)

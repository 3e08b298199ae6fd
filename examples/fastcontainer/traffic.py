"""When who is asked: waves, each a hump of so many requests per second at its top."""

import math
import random
from typing import NamedTuple

STEP = 0.02
"""Seconds for which a rate is taken to be the same."""


class Wave(NamedTuple):
    """A time in which a tenant is asked.

    Args:
        begin, end: shares of the whole time.
        top: requests per second in its middle.
    """

    begin: float
    end: float
    top: float


WAVES: dict[str, list[Wave]] = {
    "blog": [Wave(0.02, 0.34, 40), Wave(0.58, 0.90, 60)],
    "handbook": [Wave(0.10, 0.16, 6), Wave(0.42, 0.48, 6), Wave(0.78, 0.86, 6)],
    "notes": [Wave(0.05, 0.45, 15), Wave(0.70, 0.95, 10)],
    "shop": [Wave(0.30, 0.72, 110)],
    # From the beginning to the end, without a pause.
    "agenda": [Wave(-0.5, 1.5, 8)],
    "reports": [Wave(0.20, 0.30, 3), Wave(0.65, 0.75, 3)],
    "feed": [Wave(0.12, 0.40, 1.2), Wave(0.74, 0.92, 1.2)],
    "chat": [Wave(0.25, 0.52, 1.5), Wave(0.80, 0.94, 1.5)],
    "echo": [Wave(0.03, 0.22, 15), Wave(0.50, 0.66, 25)],
    "broken": [Wave(0.15, 0.90, 0.4)],
}


class Moment(NamedTuple):
    """A request that is to be sent.

    Args:
        at: seconds after the beginning.
        tenant: that is asked.
        number: of the request, for its answer.
    """

    at: float
    tenant: str
    number: int


def moments(seconds: float, seed: int = 1) -> list[Moment]:
    """Return all requests of a run in their order: at random, as many clients send them, yet the same each time."""
    chance = random.Random(seed)
    times = [
        (at, tenant)
        for tenant, waves in WAVES.items()
        for wave in waves
        for at in _times(wave, seconds, chance)
        if 0 <= at < seconds
    ]
    return [Moment(at, tenant, number) for number, (at, tenant) in enumerate(sorted(times))]


def _times(wave: Wave, seconds: float, chance: random.Random) -> list[float]:
    """Return when requests of a wave come; the first one begins it (a Poisson process whose rate changes)."""
    begin, end = wave.begin * seconds, wave.end * seconds
    times, due, at = [max(begin, 0.0)], chance.expovariate(1), begin
    while at < end:
        due -= wave.top * math.sin(math.pi * (at - begin) / (end - begin)) ** 2 * STEP
        while due <= 0:
            times.append(at + chance.random() * STEP)
            due += chance.expovariate(1)
        at += STEP
    return times

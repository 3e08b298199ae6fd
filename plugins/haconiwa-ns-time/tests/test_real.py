import sys
import time

import pytest
from haconiwa_ns_time import TimeNamespace

from haconiwa_core.errors import SetupError
from haconiwa_core.testing import needs_namespace, needs_root, run, started

pytestmark = [needs_root, needs_namespace("time")]

PROBE = "import time; print(*(time.clock_gettime(c) for c in (time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC)))"
DAY = 86400


def clocks(*features: TimeNamespace) -> list[float]:
    """Return how far the clocks inside are ahead of those outside, before and after, in whole days."""
    before = [time.clock_gettime(clock) for clock in (time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC)]
    inside = [float(word) for word in run(*features, command=[sys.executable, "-I", "-c", PROBE]).stdout.split()]
    return [(shown - start) // DAY for shown, start in zip(inside, before, strict=True)]


@pytest.mark.parametrize("boottime", [0, 3])
@pytest.mark.parametrize("monotonic", [0, 7])
def test_clocks_are_shifted(boottime: int, monotonic: int) -> None:
    assert clocks(TimeNamespace(boottime=boottime * DAY, monotonic=monotonic * DAY)) == [boottime, monotonic]


def test_a_joined_one_shows_its_time() -> None:
    with started(TimeNamespace(boottime=5 * DAY)) as first:
        assert clocks(TimeNamespace(join=first.pid)) == [5, 0]


def test_a_clock_cannot_be_negative() -> None:
    with pytest.raises(SetupError) as caught:
        run(TimeNamespace(boottime=-(2**40)), command=["true"])
    assert (caught.value.plugin, caught.value.stage) == ("ns-time", "ENTER")
    assert "ERANGE" in str(caught.value)

"""Attempts come later and later."""

from itertools import pairwise

from haconiwa_fastcontainer.fleet.breaker import FIRST, LONGEST, OPENS, Breaker
from hypothesis import given, strategies as st


@given(st.integers(1, 100), st.floats(0, 10**6))
def test_pauses_double_up_to_a_minute(failures: int, now: float) -> None:
    breaker, waits = Breaker(), []
    for number in range(failures):
        breaker = breaker.failed(now, f"failure {number}", f"web-{number}")
        waits.append(breaker.until - now)
    assert breaker.failures == failures
    assert abs(waits[0] - FIRST) < 1e-6
    assert all(abs(later - min(2 * earlier, LONGEST)) < 1e-6 for earlier, later in pairwise(waits))
    assert breaker.is_open(now) == (failures >= OPENS)
    assert not breaker.is_open(breaker.until)
    assert breaker.instance == f"web-{failures - 1}"

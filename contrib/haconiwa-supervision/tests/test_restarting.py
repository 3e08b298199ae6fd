"""When a container is started again, whatever its policy and its past."""

from __future__ import annotations

import pytest
from haconiwa_supervision import Supervision
from haconiwa_supervision.container.restarting import restart_delay, wants_restart
from hypothesis import given, strategies as st

delays = st.floats(0, 1e9)


@given(delays, delays, st.integers(0, 10_000))
def test_the_delay_doubles_up_to_the_most(first, most, in_a_row):
    policy = Supervision(restart="always", restart_limit=0, restart_delay=first, restart_delay_most=most)
    delay, next_delay = restart_delay(policy, in_a_row), restart_delay(policy, in_a_row + 1)
    assert 0 <= delay <= next_delay <= most
    assert next_delay in (delay * 2, most) or in_a_row >= 60


@given(st.integers(1, 100), st.integers(0, 200))
def test_it_is_given_up_at_the_limit(limit, in_a_row):
    policy = Supervision(restart="always", restart_limit=limit)
    assert (restart_delay(policy, in_a_row) is None) == (in_a_row >= limit)


AFTER = {
    "no": {0: False, 1: False, None: False},
    "always": {0: True, 1: True, None: True},
    "on-failure": {0: False, 1: True, 143: True, None: True},
}


@pytest.mark.parametrize("restart", AFTER)
def test_which_ends_are_followed_by_a_start(restart):
    policy = Supervision(restart=restart)
    assert {status: wants_restart(policy, status) for status in AFTER[restart]} == AFTER[restart]

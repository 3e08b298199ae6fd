"""The rules of scaling: what a history leads to, whatever it is."""

from __future__ import annotations

import math
from itertools import pairwise

from haconiwa_fastcontainer import Scaling
from haconiwa_fastcontainer.scaling.rules import STEP, Decision, Limit, Load, Need, Number
from hypothesis import given, strategies as st

RULES = Scaling(load=0.8, calm=0.3, calm_for=10.0)


def decide(history: list[tuple[float, int]], least: int = 0, most: int = 5) -> list[tuple[float, Decision, int]]:
    """Return the decisions that a history of pauses and loads leads to, if each is carried out at once."""
    state, now, instances, found = Number(), 0.0, 1, []
    for pause, asked in history:
        now += pause
        state, decision = state.decide(Load(now, asked, instances, 10), RULES, least, most)
        if decision:
            found.append((now, decision, instances))
            instances = int(decision.value)
    return found


def test_burst_is_met_at_once() -> None:
    ((_, decision, _),) = decide([(0.0, 33)])
    assert decision == Decision("out", 5, "33 requests at once are 330% of what 1 instances may have")


def test_one_less_after_a_calm_while() -> None:
    found = decide([(0.0, 33), *[(1.0, 1)] * 60])
    assert [(decision.direction, decision.value) for _, decision, _ in found] == [
        ("out", 5),
        ("in", 4),
        ("in", 3),
        ("in", 2),
        ("in", 1),
    ]
    times = [time for time, _, _ in found[1:]]
    assert all(later - earlier >= RULES.calm_for for earlier, later in pairwise(times))


def test_a_short_calm_changes_nothing() -> None:
    assert [decision.direction for _, decision, _ in decide([(0.0, 33), *[(4.0, 1), (4.0, 30)] * 20])] == ["out"]


HISTORIES = st.lists(st.tuples(st.floats(0.0, 20.0), st.integers(0, 100)), max_size=60)


@given(HISTORIES, st.integers(0, 3), st.integers(3, 6))
def test_never_beyond_the_bounds_and_never_swinging(history: list[tuple[float, int]], least: int, most: int) -> None:
    last_out = -math.inf
    for time, decision, instances in decide(history, least, most):
        assert max(least, 1) <= decision.value <= most
        if decision.direction == "out":
            assert decision.value > instances
            last_out = time
        else:
            assert decision.value == instances - 1
            assert time - last_out >= RULES.calm_for
        assert decision.reason


@given(HISTORIES)
def test_decisions_follow_from_the_history_alone(history: list[tuple[float, int]]) -> None:
    assert decide(history) == decide(history)


def limit(history: list[tuple[float, float, float]], least: float, most: float) -> list[Decision]:
    """Return the decisions about a limit."""
    state, now, present, found = Limit(), 0.0, least, []
    for pause, used, waits in history:
        now += pause
        state, decision = state.decide(Need(now, present, used, waits), RULES, least, most)
        if decision:
            found.append(decision)
            present = decision.value
    return found


def test_limit_grows_where_it_is_short_and_shrinks_when_less_is_enough() -> None:
    found = limit([(1.0, 0.5, 0.5)] * 2 + [(1.0, 0.1, 0.0)] * 40, 1.0, 2.0)
    assert [(each.direction, each.value) for each in found] == [
        ("up", 1.5),
        ("up", 2.0),
        ("down", 2.0 / STEP),
        ("down", 1.0),
    ]


def test_memory_that_is_nearly_full_grows_without_pressure() -> None:
    assert [each.direction for each in limit([(1.0, 0.95, 0.0)], 100.0, 1000.0)] == ["up"]


@given(
    st.lists(st.tuples(st.floats(0.0, 20.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0)), max_size=60),
    st.floats(0.1, 10.0),
    st.floats(1.0, 5.0),
)
def test_limits_stay_between_their_bounds(
    history: list[tuple[float, float, float]], least: float, factor: float
) -> None:
    for decision in limit(history, least, least * factor):
        assert least <= decision.value <= least * factor

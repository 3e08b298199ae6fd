"""Scheduling, in the fake kernel (sched(7))."""

from __future__ import annotations

from haconiwa_core.testing.fake.state import State


class SchedulingCalls(State):
    """Calls of scheduling."""

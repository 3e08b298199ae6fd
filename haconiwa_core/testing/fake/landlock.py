"""Landlock, in the fake kernel (landlock(7))."""

from __future__ import annotations

from haconiwa_core.testing.fake.state import State


class LandlockCalls(State):
    """Calls of landlock."""

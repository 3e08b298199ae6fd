"""System call filters, in the fake kernel (seccomp(2))."""

from __future__ import annotations

from haconiwa_core.testing.fake.state import State


class FilterCalls(State):
    """Calls of filters."""

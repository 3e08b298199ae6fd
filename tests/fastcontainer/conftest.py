"""Fronts that are ended with their containers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastcontainer.fronts import Front


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    """Give a front that is not started yet."""
    made = Front(tmp_path)
    yield made
    made.close()

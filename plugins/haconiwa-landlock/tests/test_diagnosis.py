"""What is said of a host follows from its version of Landlock."""

from __future__ import annotations

import pytest
from haconiwa_landlock.diagnosis import diagnose

from haconiwa_core.testing import host


@pytest.mark.parametrize(
    ("version", "state", "meaning"),
    [
        (0, "missing", "the kernel has none, or it is off"),
        (1, "degraded", "version 1: refer, truncate, ioctl_dev, bind_tcp, connect_tcp, scope cannot be used"),
        (5, "degraded", "version 5: scope cannot be used"),
        (6, "ok", "version 6"),
        (7, "ok", "version 7"),
    ],
)
def test_versions(version: int, state: str, meaning: str) -> None:
    given = host(landlock=version)
    (found,) = diagnose(given)
    assert (found.state, found.meaning, bool(found.remedy)) == (state, meaning, state != "ok")

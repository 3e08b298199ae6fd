"""What is said of a host follows from the program that is there."""

from __future__ import annotations

from pathlib import Path

from haconiwa_init import Init

from haconiwa_core.testing import all_plugins


def test_its_program() -> None:
    (found,) = all_plugins().diagnose("init")
    there = Path(Init().program).exists()
    assert (found.state, found.remedy) == (("ok", "") if there else ("missing", "apt install tini"))

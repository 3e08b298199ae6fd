"""Whether this host has a first process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from haconiwa_core.diagnosis import Diagnosis
from haconiwa_init import Init


def diagnose() -> Iterator[Diagnosis]:
    """Say whether the program is there that is used where a definition names none."""
    program = Init().program
    if Path(program).exists():
        yield Diagnosis("init program", "ok", program)
    else:
        meaning = f"there is no {program}: the section has to name another program"
        yield Diagnosis("init program", "missing", meaning, "apt install tini")

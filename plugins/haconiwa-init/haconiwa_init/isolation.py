"""Whether a live process is the program that starts the command (exe in proc_pid_exe(5))."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from haconiwa_core.facts import Wrapper
from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared, unknown
from haconiwa_core.planning.context import Planning
from haconiwa_init import Init

if TYPE_CHECKING:
    from haconiwa_core.planning.plan import Plan

_WHAT = "first process"


def row(feature: Init | None, plan: Plan, confined: Confined) -> Row:
    """Return which program runs; its links may lie in any mount, so files are compared."""
    if feature is None or plan.facts.get(Wrapper) is None:
        return unknown(Init.section, _WHAT, "", "the command itself")
    program = Planning(plan.container, plan.host).host_path(feature.program)
    if confined.waits:
        return unknown(Init.section, _WHAT, program, "nothing is executed yet")
    found = confined.file("exe")
    try:
        in_force = program if os.path.samestat(found, os.stat(program)) else "another program"
    except OSError as error:
        return unknown(Init.section, _WHAT, program, f"{program} on the host: {error.strerror}")
    return compared(Init.section, _WHAT, program, in_force, "", "/proc/PID/exe")

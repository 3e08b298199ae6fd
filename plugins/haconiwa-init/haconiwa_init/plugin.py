"""Init: the program is opened before the root changes, and executed instead of the command."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.facts import Fact, Namespace, Wrapper
from haconiwa_core.feature import Feature
from haconiwa_core.operation import Slot
from haconiwa_core.planning.context import Planning
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_init import Init
from haconiwa_init.kernel import adopt_orphans, open_program

if TYPE_CHECKING:
    from haconiwa_core.diagnosis import Diagnosis
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row
    from haconiwa_core.planning.plan import Plan

_PROGRAM = Slot("init-program")


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Init


@hookimpl
def haconiwa_facts(feature: Init, planning: Planning) -> Iterator[Fact]:
    """Tell what starts the command; after "--" nothing of the command can be taken for an option."""
    name = os.path.basename(planning.host_path(feature.program))
    yield Wrapper(_PROGRAM, (name, *feature.arguments, "--"))


@hookimpl
def haconiwa_steps(feature: Init, planning: Planning) -> Iterator[Step]:
    """Open the program; where the first process is not the init of a pid namespace, give it that one's duty."""
    if not planning.privileged and not planning.own_mounts:
        text = "needs a new mount namespace, or CAP_SYS_ADMIN, which the caller does not have, to open it read-only"
        raise DefinitionError([Problem(text, key="program", hint=planning.providers("Namespace mnt"))])
    yield Step(planning.trees_from, open_program, planning.host_path(feature.program), into=_PROGRAM)
    pid = planning.facts.get(Namespace, "pid")
    if pid is None or pid.joined:
        yield Step(Stage.IDENTITY, adopt_orphans)


@hookimpl
def haconiwa_isolation(feature: Init | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    """Read back which program runs."""
    from haconiwa_init.isolation import row

    yield row(feature, plan, confined)


@hookimpl
def haconiwa_diagnose() -> Iterator[Diagnosis]:
    """Say whether the program is there that is used where a definition names none."""
    from haconiwa_init.diagnosis import diagnose

    yield from diagnose()

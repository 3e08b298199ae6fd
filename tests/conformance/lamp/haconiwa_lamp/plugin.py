"""Lamp: the host makes a file, and the child a few calls."""

from __future__ import annotations

from collections.abc import Iterator

from haconiwa_core import DefinitionError, Feature, Slot, Stage, Step, hookimpl, linux
from haconiwa_core.errors import Problem
from haconiwa_core.facts import Fact
from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared
from haconiwa_core.planning.context import Planning
from haconiwa_core.planning.plan import Plan
from haconiwa_lamp import Lamp
from haconiwa_lamp.kernel import enclose
from haconiwa_lamp.steps import make_mark, write_mark

CAP_SYS_CHROOT = 18
DIRECTORY = Slot("directory")


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Lamp


@hookimpl
def haconiwa_facts(feature: Lamp) -> Iterator[Fact]:
    """Tell nothing."""
    yield from ()


@hookimpl
def haconiwa_steps(feature: Lamp, planning: Planning) -> Iterator[Step]:
    """Make the file, and enclose the child."""
    if not planning.host.has_capability(CAP_SYS_CHROOT):
        raise DefinitionError([Problem("needs CAP_SYS_CHROOT, which the caller does not have")])
    note = str(feature.note)
    if feature.mark and planning.entry == "start":
        path = planning.host_path(feature.mark)
        undo = Step(Stage.PREPARE, linux.remove_own_file, path, "mark", DIRECTORY)
        yield Step(Stage.PREPARE, make_mark, path, note, DIRECTORY, undo=undo)
        yield Step(Stage.ADOPT, write_mark, path, note)
    yield Step(Stage.LIMITS, linux.set_file_mode_mask, feature.level)
    yield Step(Stage.LIMITS, enclose)


@hookimpl
def haconiwa_check(feature: Lamp, plan: Plan) -> Iterator[Problem]:
    """Find nothing."""
    yield from ()


@hookimpl
def haconiwa_isolation(feature: Lamp | None, confined: Confined) -> Iterator[Row]:
    """Read the mask back."""
    asked = f"{feature.level:04o}" if feature else ""
    yield compared("lamp", "lamp level", asked, confined.status["Umask"], "", "/proc/PID/status")


@hookimpl
def haconiwa_update(old: Lamp, new: Lamp, planning: Planning) -> Iterator[Step]:
    """Write another note."""
    if (old.mark, old.level) != (new.mark, new.level):
        raise DefinitionError([Problem("cannot change while the container runs")])
    if new.mark and old.note != new.note:
        yield Step(Stage.ADOPT, write_mark, planning.host_path(new.mark), str(new.note))

"""The probe as a feature: it starts instead of the command. Nobody can write it into a definition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from haconiwa_core.facts import Fact, Wrapper
from haconiwa_core.feature import Feature, Rootless
from haconiwa_core.operation import Slot
from haconiwa_core.plugins.discovery import GROUP, Installed
from haconiwa_core.plugins.entrypoints import EntryPoint
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_verify.prober import PROGRAM_NAME

STREAM = "probe"
"""Under which a start is given the program's descriptor, beside its streams."""


@dataclass(frozen=True, kw_only=True)
class Probe(Feature):
    """The first process, or the one that is attached, is a probe; the command is not executed."""

    section: ClassVar[str] = "verify"
    stages: ClassVar[tuple[Stage, ...]] = ()
    rootless: ClassVar[Rootless] = Rootless("yes")


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Probe


@hookimpl
def haconiwa_facts() -> Iterator[Fact]:
    """Tell what is executed."""
    yield Wrapper(Slot(f"caller-{STREAM}"), (PROGRAM_NAME,), attached=True)


@hookimpl
def haconiwa_steps() -> Iterator[Step]:
    """Ask for nothing: the program is open already."""
    yield from ()


INSTALLED = Installed(EntryPoint(Probe.section, __name__, GROUP))
"""It stands among the plugins of a start that verify makes, and nowhere else."""

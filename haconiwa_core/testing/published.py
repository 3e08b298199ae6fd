"""A plugin that publishes given facts: it stands for the siblings that a plugin's own tests do without."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from haconiwa_core.facts import Fact
from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.plugins.discovery import GROUP, Installed
from haconiwa_core.plugins.entrypoints import EntryPoint
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step


@dataclass(frozen=True, kw_only=True)
class Published(Feature):
    """Facts, and nothing else; a `Namespace` is enough for the core to make one."""

    section: ClassVar[str] = "published"
    stages: ClassVar[tuple[Stage, ...]] = ()
    rootless: ClassVar[Rootless] = Rootless("yes")

    facts: tuple[Fact, ...] = option((), "what to publish")


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Published


@hookimpl
def haconiwa_facts(feature: Published) -> Iterator[Fact]:
    """Publish what the test asks for."""
    yield from feature.facts


@hookimpl
def haconiwa_steps() -> Iterator[Step]:
    """Ask for nothing."""
    yield from ()


INSTALLED = Installed(EntryPoint(Published.section, __name__, GROUP))

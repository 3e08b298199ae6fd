"""Containers that are started together: in the order of what they depend on, all or none."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_supervision import Supervision
from haconiwa_supervision.supervised import Supervised
from haconiwa_supervision.transport import Definition


class Group:
    """The containers of one start, whose definition's file hooks run once for all of them.

    Args:
        name: that of the group.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: dict[str, Supervised] = {}
        """By the names of their definitions."""
        self._failed = False

    def add(self, member: Supervised) -> None:
        """Add a container."""
        self.members[member.definition.container.name] = member

    async def start(self, streams: Mapping[str, Mapping[str, int]]) -> None:
        """Start all, each when those that it depends on are ready.

        Args:
            streams: descriptors for the standard streams that are inherited, by the definition's name.

        Raises:
            HaconiwaError: one could not be started, or did not become ready; the others are ended.
        """
        first = next(iter(self.members.values()))
        starts: dict[str, asyncio.Task[None]] = {}
        try:
            await first.firing.fire("file_setup", containers=[each.name for each in self.members.values()])
            for name, member in self.members.items():
                starts[name] = asyncio.ensure_future(self._start(member, streams.get(name, {})))
            await asyncio.gather(*starts.values())
        except BaseException as error:
            for task in starts.values():
                task.cancel()
            await asyncio.gather(*starts.values(), return_exceptions=True)
            await self._end_all(str(error))
            raise

    async def _start(self, member: Supervised, streams: Mapping[str, int]) -> None:
        for needed in member.policy.depends:
            await asyncio.shield(self.members[needed].ready)
        # Once begun, a start is not left half done.
        await asyncio.shield(member.begin(streams))

    async def _end_all(self, reason: str) -> None:
        for member in self.members.values():
            if member.running:
                await member.stop(0, reason)
            else:
                member.give_up()

    async def has_finished(self, member: Supervised, status: int | None) -> None:
        """Note that a container has ended for good, and run the file's hooks where that is the time."""
        if status != 0 and not self._failed:
            self._failed = True
            await member.firing.fire("file_failure", container=member.name, exit_status=status)
        if all(each.finished.done() for each in self.members.values()):
            await member.firing.fire("file_teardown", containers=[each.name for each in self.members.values()])


def check_dependencies(definitions: Sequence[Definition]) -> None:
    """Refuse containers that depend on what is not started with them, or on each other.

    Raises:
        DefinitionError: with all that is wrong.
    """
    needs = {definition.container.name: _needs(definition) for definition in definitions}
    problems: list[Problem] = []
    for definition in definitions:
        section: Any = definition.container.feature(Supervision.section)
        for needed in _needs(definition):
            text = ""
            if needed not in needs:
                text = f"no container named {needed} is started with {definition.container.name}"
            elif definition.container.name in _all_needs(needed, needs):
                text = f"{needed} depends on {definition.container.name}, too"
            if text:
                problems.append(Problem(text, section.section, "depends", section.place.file, section.place.line))
    if problems:
        raise DefinitionError(problems)


def _needs(definition: Definition) -> tuple[str, ...]:
    section = definition.container.feature(Supervision.section)
    return section.depends if isinstance(section, Supervision) else ()


def _all_needs(name: str, needs: Mapping[str, Sequence[str]]) -> set[str]:
    """Return what a container depends on, and what that depends on, and so on."""
    found: set[str] = set()
    left = [name]
    while left:
        for needed in needs.get(left.pop(), ()):
            if needed not in found:
                found.add(needed)
                left.append(needed)
    return found

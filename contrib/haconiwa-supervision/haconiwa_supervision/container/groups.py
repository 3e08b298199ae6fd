"""Containers that are started together: in the order of what they depend on, all or none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from haconiwa_core.errors import DefinitionError, HaconiwaError, Problem
from haconiwa_core.hooks.hook import Hook
from haconiwa_supervision import Supervision
from haconiwa_supervision.container.supervised import Supervised
from haconiwa_supervision.transport import Definition


class Group:
    """The containers of one start. The hooks of its events, which any of them may declare, run once for all of them.

    Args:
        name: that of the group.

    Attributes:
        members: by the names of their definitions.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: dict[str, Supervised] = {}
        self._culprit: Supervised | None = None
        self._starts: dict[str, asyncio.Task[None]] = {}
        self._ending = asyncio.Lock()
        self._has_failed = False
        self._over = asyncio.Event()

    def add(self, member: Supervised) -> None:
        """Add a container."""
        self.members[member.definition.container.name] = member

    @property
    def names(self) -> list[str]:
        """Of the instances."""
        return [member.name for member in self.members.values()]

    async def start(self, streams: Mapping[str, Mapping[str, int]]) -> None:
        """Start all, each when those that it depends on are ready.

        Args:
            streams: descriptors for the standard streams that are inherited, by the definition's name.

        Raises:
            HaconiwaError: one could not be started, or did not become ready; nothing is left of any.
        """
        waiting: list[asyncio.Task[None]] = []
        try:
            await self._check_hooks()
            await self._fire("file_setup", containers=self.names)
            await self._plan()
            waiting += [
                asyncio.ensure_future(self._start(member, streams.get(name, {})))
                for name, member in self.members.items()
            ]
            await asyncio.gather(*waiting)
        except BaseException as error:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            # Once begun, a start is not left half done.
            await asyncio.gather(*self._starts.values(), return_exceptions=True)
            await self._end_all(str(error))
            raise

    async def start_again(self, member: Supervised) -> None:
        """Start one again that has ended for good; if it is the only one that is left, as a new group.

        Raises:
            HaconiwaError: it could not be started; it is let go of.
        """
        try:
            await self._check_hooks()
            if len(self.members) == 1:
                await self._fire("file_setup", containers=self.names)
        except BaseException:
            member.let_go(remove=False)
            raise
        await member.lives.start_again()

    async def _check_hooks(self) -> None:
        """Let the worker read the definition now: a later version of the file may be another.

        Raises:
            HaconiwaError: it cannot be read, or is another already.
        """
        for member in self.members.values():
            wanted = {hook.name for hook in member.definition.container.hooks if not hook.function}
            if not wanted:
                continue
            known = await member.supervisor.worker_of(member).start()
            if missing := wanted.difference(known.get(member.definition.container.name, ())):
                there = member.definition.file or f"the program that has started {member.name}"
                raise HaconiwaError(f"{there} has no hook {', '.join(sorted(missing))} any more")

    async def _plan(self) -> None:
        """Plan all, so that all that is wrong is told at once."""
        problems: list[Problem] = []
        for member in self.members.values():
            try:
                await member.lives.plan()
            except DefinitionError as error:
                self._culprit = self._culprit or member
                problems += error.problems
            except HaconiwaError:
                self._culprit = member
                raise
        if problems:
            raise DefinitionError(problems)

    async def _start(self, member: Supervised, streams: Mapping[str, int]) -> None:
        # One that is started alone, without its group, finds there what it needs, or not.
        for needed in member.policy.depends:
            await asyncio.shield(self.members[needed].life.ready)
        starting = asyncio.ensure_future(member.lives.begin(streams))
        self._starts[member.name] = starting
        try:
            await asyncio.shield(starting)
        except HaconiwaError:
            self._culprit = self._culprit or member
            raise

    async def _end_all(self, reason: str) -> None:
        culprit = self._culprit or next(iter(self.members.values()))
        async with self._ending:
            await self._fail(culprit, culprit.end.exit_status if culprit.end else None)
        for member in self.members.values():
            member.state.remove = True
            if member.finished.done():
                member.forget()
            elif member.running:
                await member.stop(0, reason)
            else:
                member.give_up()
        await self._over.wait()

    async def has_finished(self, member: Supervised, status: int | None) -> bool:
        """Note that a container has ended for good, and run the hooks for which that is the time.

        Returns:
            Whether it was the last.
        """
        async with self._ending:
            if status != 0:
                await self._fail(member, status)
            is_last = all(each.finished.done() for each in self.members.values()) and not self._over.is_set()
            if is_last:
                try:
                    await member.or_fault(self._fire("file_teardown", containers=self.names))
                finally:
                    self._over.set()
            return is_last

    async def _fail(self, member: Supervised, status: int | None) -> None:
        if not self._has_failed:
            self._has_failed = True
            await member.or_fault(self._fire("file_failure", container=member.name, exit_status=status))

    async def _fire(self, event: str, **facts: Any) -> None:
        for member, hook in self._hooks(event):
            await member.firing.run_on(hook, **facts)

    def _hooks(self, event: str) -> Iterator[tuple[Supervised, Hook]]:
        """Yield the hooks of an event; one that several have, because one was made of the other, once."""
        seen: list[Hook] = []
        for member in self.members.values():
            for hook in member.firing.hooks:
                if hook.event == event and hook not in seen:
                    seen.append(hook)
                    yield member, hook


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
            if needed == definition.container.name:
                text = "it depends on itself"
            elif needed not in needs:
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

"""Turn a container and the facts of a host into a plan. Pure: nothing is changed, no root is needed."""

from __future__ import annotations

import errno
import hashlib
import heapq
import os
import stat
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from haconiwa_core import linux
from haconiwa_core.baseline import core_steps
from haconiwa_core.container import Container
from haconiwa_core.errors import DefinitionError, PluginError, Problem
from haconiwa_core.facts import Fact, Facts, Namespace, NewRoot
from haconiwa_core.feature import Feature
from haconiwa_core.host import HostFacts
from haconiwa_core.linux.constants import CAP_SYS_ADMIN, CLONE_NEWNS, CLONE_NEWUSER
from haconiwa_core.linux.host import open_in_root
from haconiwa_core.linux.vocabulary import is_lowering
from haconiwa_core.operation import Slot
from haconiwa_core.plan import CORE, Input, Plan, PlannedStep
from haconiwa_core.plugins.catalogue import providers_of
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.refusals import refusals
from haconiwa_core.stages import Stage

Entry = Literal["start", "attach"]

INSTANCE_SLOTS = ("name", "directory")
"""Slots that hold text and are known before the first step: the instance's name and its directory."""

_FILE_SIZE_LIMIT = 1 << 20


class Planning:
    """What a plugin is given while a plan is made.

    Attributes:
        container: the definition.
        host: the facts of the machine that the plan is for.
        entry: whether a container is started or a process put into a running one.
        facts: what the features have published so far.
        inputs: the files that were read, with their digests.
    """

    def __init__(self, container: Container, host: HostFacts, entry: Entry = "start") -> None:
        self.container = container
        self.host = host
        self.entry = entry
        self.facts = Facts()
        self.inputs: list[Input] = []

    @property
    def privileged(self) -> bool:
        """Whether the starter may act on the host's own namespaces (CAP_SYS_ADMIN)."""
        return self.host.has_capability(CAP_SYS_ADMIN)

    @property
    def user_namespace(self) -> Namespace | None:
        """The user namespace that the container has apart from the host's, if any."""
        return next((found for found in self.facts.all(Namespace) if found.flag == CLONE_NEWUSER), None)

    @property
    def mount_namespace(self) -> Namespace | None:
        """The mount namespace that the container has apart from the host's, if any."""
        return next((found for found in self.facts.all(Namespace) if found.flag == CLONE_NEWNS), None)

    @property
    def own_mounts(self) -> bool:
        """Whether mounts concern nobody but the container: its mount namespace is new."""
        return self.mount_namespace is not None and not self.mount_namespace.joined

    @property
    def trees_from(self) -> Stage:
        """The stage in which trees of the host are opened: a mapped root could not walk to them."""
        return Stage.PREPARE if self.privileged else Stage.MOUNTS

    def need(self, kind: type[Fact], key: str = "") -> None:
        """Demand that some feature publishes a fact.

        Raises:
            DefinitionError: none does; the message names the features that could.
        """
        if self.facts.get(kind, key):
            return
        need = f"{kind.__name__} {key}".rstrip()
        raise DefinitionError([Problem(f"needs {need}", hint=self.providers(need))])

    def providers(self, need: str) -> str:
        """Return advice on which feature to add, "" where none of ours provides it.

        Args:
            need: a fact's type and key, as in "Namespace mnt" or "NewRoot".
        """
        able = providers_of(need)
        return f"add {' or '.join(able)}" if able else ""

    def host_path(self, path: str) -> str:
        """Return an absolute path of the host; a relative one starts at the definition's folder."""
        return os.path.normpath(os.path.join(self.container.folder or os.getcwd(), path))

    def read_in_root(self, path: str) -> bytes:
        """Read a file of the container's root, resolved below it, as an input of the plan.

        Args:
            path: absolute path inside the container.

        Raises:
            DefinitionError: there is no new root, the file cannot be read, is no regular file,
                or is larger than 1 MiB.
        """
        root = self.facts.get(NewRoot)
        if root is None:
            self.need(NewRoot)
            raise AssertionError("unreachable: need() raises when the fact is absent")
        try:
            descriptor = open_in_root(root.path, path)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise OSError(errno.EINVAL, "not a regular file")
                content = os.read(descriptor, _FILE_SIZE_LIMIT + 1)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise DefinitionError([Problem(f"cannot read {path} in {root.path}: {error.strerror}")]) from error
        if len(content) > _FILE_SIZE_LIMIT:
            raise DefinitionError([Problem(f"cannot read {path} in {root.path}: larger than 1 MiB")])
        self.inputs.append(Input(f"{root.path.rstrip('/')}{path}", hashlib.sha256(content).hexdigest()))
        return content


def plan(container: Container, host: HostFacts, plugins: Plugins, entry: Entry = "start") -> Plan:
    """Return the plan of a container's start.

    Args:
        container: the definition.
        host: the facts of the machine that the plan is for.
        plugins: where the features come from.
        entry: "start".

    Raises:
        DefinitionError: with all problems that were found; nothing has been started.
    """
    problems = container.problems()
    usable: list[Feature] = []
    for feature in container.features:
        try:
            plugins.feature_class(feature.section)
            usable.append(feature)
        except PluginError as error:
            problems.append(_located(Problem(str(error)), feature))
    _raise(problems)

    planning = Planning(container, host, entry)
    for feature in usable:
        try:
            for fact in plugins.facts(feature, planning):
                planning.facts.publish(fact, feature.section)
        except DefinitionError as error:
            problems += [_located(problem, feature) for problem in error.problems]
    problems += [] if problems else _located_all(refusals(planning), container)
    _raise(problems)

    steps: list[PlannedStep] = []
    for feature in usable:
        try:
            steps += [PlannedStep(feature.section, step) for step in plugins.steps(feature, planning)]
        except DefinitionError as error:
            problems += [_located(problem, feature) for problem in error.problems]
    _raise(problems)
    steps += [PlannedStep(CORE, step) for step in core_steps(planning, [planned.step for planned in steps])]
    for planned in steps:
        _check_step(planned)
    return Plan.build(container, host, _ordered(steps, planning.facts), planning.facts, tuple(planning.inputs))


def plan_all(containers: Sequence[Container], host: HostFacts, plugins: Plugins) -> list[Plan]:
    """Return the plans of several containers.

    Raises:
        DefinitionError: with all problems of all of them.
    """
    plans: list[Plan] = []
    problems: list[Problem] = []
    for container in containers:
        try:
            plans.append(plan(container, host, plugins))
        except DefinitionError as error:
            problems += error.problems
    _raise(problems)
    return plans


def _raise(problems: Sequence[Problem]) -> None:
    if problems:
        raise DefinitionError(problems)


def _located(problem: Problem, feature: Feature) -> Problem:
    """Add what a plugin need not know: its section, and where it was written."""
    file, line = feature.place
    return Problem(
        problem.text,
        section=problem.section or feature.section,
        key=problem.key,
        file=problem.file or file,
        line=problem.line or line,
        hint=problem.hint,
    )


def _located_all(problems: Sequence[Problem], container: Container) -> list[Problem]:
    located = []
    for problem in problems:
        feature = container.feature(problem.section)
        located.append(_located(problem, feature) if feature else problem)
    return located


def _check_step(planned: PlannedStep) -> None:
    """Refuse what would run a plugin's code in the child, or need the plugin for cleaning up.

    Raises:
        PluginError: naming the plugin.
    """
    step, undo = planned.step, planned.step.undo
    if not step.stage.on_host and not is_lowering(step.function):
        raise PluginError(
            f"plugin {planned.plugin} is broken: {step.function.__name__} runs in the child ({step.stage.name})"
            " but does not lower itself to system calls"
        )
    if undo is None:
        return
    name = undo.function.__name__
    slots = [argument for argument in undo.arguments if isinstance(argument, Slot)]
    if getattr(linux, name, None) is not undo.function or any(slot.name not in INSTANCE_SLOTS for slot in slots):
        raise PluginError(
            f"plugin {planned.plugin} is broken: the undo {name} is no function of haconiwa_core.linux,"
            f" or takes slots other than {', '.join(INSTANCE_SLOTS)}"
        )


def _ordered(steps: list[PlannedStep], facts: Facts) -> tuple[PlannedStep, ...]:
    ordered: list[PlannedStep] = []
    for stage in Stage:
        ordered += _ordered_in_stage([planned for planned in steps if planned.step.stage is stage], facts)
    return tuple(ordered)


def _ordered_in_stage(steps: list[PlannedStep], facts: Facts) -> list[PlannedStep]:
    """Sort topologically by `after`; where that leaves a choice, the core first, then by plugin name."""
    by_plugin: dict[str, list[int]] = {}
    for index, planned in enumerate(steps):
        by_plugin.setdefault(planned.plugin, []).append(index)
    before: dict[int, set[int]] = {index: set() for index in range(len(steps))}
    for own in by_plugin.values():
        for former, latter in pairwise(own):
            before[latter].add(former)
    for index, planned in enumerate(steps):
        for wanted in planned.step.after:
            publishers = {wanted} if isinstance(wanted, str) else facts.publishers(wanted)
            for plugin in publishers - {planned.plugin}:
                before[index].update(by_plugin.get(plugin, ()))

    def priority(index: int) -> tuple[bool, str, int]:
        return (steps[index].plugin != CORE, steps[index].plugin, index)

    ready = [priority(index) for index, earlier in before.items() if not earlier]
    heapq.heapify(ready)
    ordered: list[PlannedStep] = []
    while ready:
        index = heapq.heappop(ready)[2]
        ordered.append(steps[index])
        for other, earlier in before.items():
            if index in earlier:
                earlier.remove(index)
                if not earlier:
                    heapq.heappush(ready, priority(other))
    if len(ordered) < len(steps):
        stuck = sorted({steps[index].plugin for index, earlier in before.items() if earlier})
        raise DefinitionError([Problem(f"the steps of {' and '.join(stuck)} each want to come after the other")])
    return ordered

"""The core's own steps: what every container and every process in it gets, whatever the features are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from haconiwa_core import linux
from haconiwa_core.facts import CgroupPlace, FreshFilesystem, Namespace, NewRoot, Wrapper
from haconiwa_core.linux.cgroups import ATTACHED, FIRST
from haconiwa_core.linux.constants import CLONE_NEWPID, CLONE_NEWUSER, CloneFlag, Mode
from haconiwa_core.linux.terminals import MASTER, SLAVE
from haconiwa_core.operation import Slot
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step

if TYPE_CHECKING:
    from haconiwa_core.planning.context import Planning

STREAMS = ("stdin", "stdout", "stderr")

CGROUP = Slot("cgroup-directory")

_CONTAINER = Slot("container")
_ROOT = Slot("root")

_OUTPUT = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOCTTY, Mode(0o600)
_INPUT = os.O_RDONLY | os.O_NOCTTY, 0


def core_steps(planning: Planning, steps: Sequence[Step]) -> Iterator[Step]:
    """Yield the core's steps of a start or an attach.

    Args:
        planning: with all facts.
        steps: of all features.
    """
    yield Step(Stage.SESSION, linux.new_session)
    yield Step(Stage.SESSION, linux.new_session_keyring)
    yield from _terminal(planning, steps) if planning.container.terminal else _streams(planning)
    place = planning.facts.get(CgroupPlace)
    if place and place.unified:
        leaf = FIRST if planning.entry == "start" else ATTACHED
        opened = (place.base, place.group, leaf)
        yield Step(Stage.PREPARE, linux.open_cgroup, *opened, into=CGROUP, after=(CgroupPlace,))
    if planning.entry == "attach":
        yield from _join(planning)
    if planning.initial_ids == (0, 0):
        yield Step(Stage.SETTLE, linux.become_root, after=(Namespace,))
    if planning.own_mounts and planning.entry == "start":
        yield Step(Stage.SETTLE, linux.make_tree_private, after=(Namespace,))
    if planning.facts.get(NewRoot) is None and any(step.stage is Stage.MOUNTS for step in steps):
        yield Step(Stage.MOUNTS, linux.open_directory, "/", into=_ROOT)
    yield Step(Stage.BOUNDING, linux.clear_ambient_set)
    yield Step(Stage.CREDENTIALS, linux.change_directory, planning.container.workdir)
    replaced = {step.function for step in steps}
    yield from (step for step in _replaceable(planning) if step.function not in replaced)
    yield Step(Stage.EXEC, linux.reset_signals)
    yield Step(Stage.EXEC, linux.close_descriptors_on_exec)
    yield Step(Stage.EXEC, linux.report_exec)
    candidates, command, environment = _command(planning)
    wrapper = planning.facts.get(Wrapper)
    # What is attached is not the first process, and has nobody else's children to look after.
    if wrapper and (wrapper.attached or planning.entry == "start"):
        yield Step(Stage.EXEC, linux.execute_open_file, wrapper.program, (*wrapper.arguments, *command), environment)
    else:
        yield Step(Stage.EXEC, linux.execute, candidates, command, environment)


def _replaceable(planning: Planning) -> Iterator[Step]:
    """Yield what a container gets unless a feature has a step with the same function."""
    yield Step(Stage.ADOPT, linux.set_oom_score_adj, Slot("target"), 0)
    yield Step(Stage.LIMITS, linux.set_file_mode_mask, Mode(0o022))
    if planning.may_set_groups:
        yield Step(Stage.CREDENTIALS, linux.set_groups, ())


def _join(planning: Planning) -> Iterator[Step]:
    """Join every namespace of a running container, and enter its root where that is not its mount tree's."""
    identity = (Slot("first"), Slot("first-started"))
    yield Step(Stage.PREPARE, linux.open_process, *identity, into=_CONTAINER)
    flags = CloneFlag(0)
    for namespace in planning.facts.all(Namespace):
        flags |= namespace.flag
    # A pid namespace is entered by the next child only. Without rights on the host, those over the
    # other namespaces come with the user namespace.
    first = flags & CLONE_NEWUSER & (0 if planning.privileged else ~0)
    for early in (first, flags & CLONE_NEWPID):
        if early:
            yield Step(Stage.ENTER, linux.join_namespace, _CONTAINER, early)
    if rest := flags & ~(first | CLONE_NEWPID):
        yield Step(Stage.SETTLE, linux.join_namespace, _CONTAINER, rest)
    if planning.facts.get(NewRoot) and not planning.own_mounts:
        yield Step(Stage.PREPARE, linux.open_root, *identity, into=_ROOT)
        yield Step(Stage.ROOT, linux.change_root, _ROOT)


def _terminal(planning: Planning, steps: Sequence[Step]) -> Iterator[Step]:
    """Make a terminal on the container's own devpts, else one of the host, and let it be all three streams."""
    own = next((fresh for fresh in planning.facts.all(FreshFilesystem) if fresh.kind == "devpts"), None)
    if own:
        yield Step(Stage.SESSION, linux.open_terminal_inside, f"{own.target}/ptmx", into=MASTER)
        yield Step(Stage.SESSION, linux.open_slave, MASTER, into=SLAVE)
        yield Step(Stage.SESSION, linux.hand_over_terminal, MASTER)
        users = [step.arguments[0] for step in steps if step.function is linux.set_uid]
        yield from (Step(Stage.SESSION, linux.own_terminal, SLAVE, uid) for uid in users)
    else:
        yield Step(Stage.PREPARE, linux.open_terminal, "/dev/ptmx", into=MASTER)
        yield Step(Stage.PREPARE, linux.open_slave, MASTER, into=SLAVE)
    yield Step(Stage.SESSION, linux.control_terminal, SLAVE)
    for number in range(len(STREAMS)):
        yield Step(Stage.SESSION, linux.install_stream, SLAVE, number)
    if own and planning.entry == "start":
        made = {step.into for step in steps if step.function is linux.make_filesystem}
        places = [step.arguments for step in steps if step.function is linux.attach_below_root]
        # Only in a /dev that is the container's alone.
        has_own_dev = any(tree in made and path == "/dev" for tree, path, *_ in places)
        yield Step(Stage.SESSION, linux.bind_console, SLAVE, has_own_dev)


def _streams(planning: Planning) -> Iterator[Step]:
    for number, stream in enumerate(STREAMS):
        target = Slot(stream)
        kind, _, path = getattr(planning.container, stream).partition(":")
        access = _OUTPUT if number else _INPUT
        if kind == "inherit":
            yield Step(Stage.PREPARE, linux.duplicate, Slot(f"caller-{stream}"), into=target)
        elif kind == "null":
            yield Step(Stage.PREPARE, linux.open_file, "/dev/null", os.O_RDWR, 0, into=target)
        elif kind == "log":
            yield Step(Stage.PREPARE, linux.open_log, Slot("directory"), Slot(f"kept-{stream}"), into=target)
        elif kind == "host":
            yield Step(Stage.PREPARE, linux.open_file, planning.host_path(path), *access, into=target)
        else:
            yield Step(Stage.SESSION, linux.open_file_inside, path, *access, into=target)
        yield Step(Stage.SESSION, linux.install_stream, target, number)


def _command(planning: Planning) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    environment = planning.container.environment()
    command = tuple(planning.container.command)
    program = command[0]
    folders = [""] if "/" in program else environment["PATH"].split(":")
    candidates = tuple(os.path.join(folder, program) for folder in folders)
    return candidates, command, tuple(f"{name}={value}" for name, value in environment.items())

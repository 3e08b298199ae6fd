"""The core's own steps: what every container gets, whatever its features are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from haconiwa_core import linux
from haconiwa_core.facts import Namespace, NewRoot
from haconiwa_core.linux.constants import CAP_SETGID, Mode
from haconiwa_core.operation import Slot
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step

if TYPE_CHECKING:
    from haconiwa_core.planning.context import Planning

STREAMS = ("stdin", "stdout", "stderr")

_OUTPUT = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOCTTY
_INPUT = os.O_RDONLY | os.O_NOCTTY


def core_steps(planning: Planning, steps: Sequence[Step]) -> Iterator[Step]:
    """Yield the core's steps of a start.

    Args:
        planning: with all facts.
        steps: of all features.
    """
    yield from _streams(planning)
    yield from _settle(planning)
    if planning.facts.get(NewRoot) is None and any(step.stage is Stage.MOUNTS for step in steps):
        yield Step(Stage.MOUNTS, linux.open_directory, "/", into=Slot("root"))
    yield Step(Stage.CREDENTIALS, linux.change_directory, planning.container.workdir)
    replaced = {step.function for step in steps}
    yield from (step for step in _replaceable(planning) if step.function not in replaced)
    yield Step(Stage.EXEC, linux.reset_signals)
    yield Step(Stage.EXEC, linux.close_descriptors_on_exec)
    yield Step(Stage.EXEC, linux.report, Stage.EXEC)
    yield Step(Stage.EXEC, linux.execute, *_command(planning))


def _replaceable(planning: Planning) -> Iterator[Step]:
    """Yield what a container gets unless a feature has a step with the same function."""
    yield Step(Stage.ADOPT, linux.set_oom_score_adj, Slot("target"), 0)
    yield Step(Stage.LIMITS, linux.set_file_mode_mask, Mode(0o022))
    # An ordinary user's namespace denies setgroups.
    if planning.host.has_capability(CAP_SETGID):
        yield Step(Stage.CREDENTIALS, linux.set_groups, ())


def _settle(planning: Planning) -> Iterator[Step]:
    if planning.initial_ids == (0, 0):
        yield Step(Stage.SETTLE, linux.become_root, after=(Namespace,))
    if planning.own_mounts:
        yield Step(Stage.SETTLE, linux.make_tree_private, after=(Namespace,))


def _streams(planning: Planning) -> Iterator[Step]:
    yield Step(Stage.SESSION, linux.new_session)
    yield Step(Stage.SESSION, linux.new_session_keyring)
    for number, stream in enumerate(STREAMS):
        target = Slot(stream)
        kind, _, path = getattr(planning.container, stream).partition(":")
        flags = _OUTPUT if number else _INPUT
        if kind == "inherit":
            yield Step(Stage.PREPARE, linux.duplicate, Slot(f"caller-{stream}"), into=target)
        elif kind == "null":
            yield Step(Stage.PREPARE, linux.open_file, "/dev/null", os.O_RDWR, 0, into=target)
        elif kind == "log":
            yield Step(Stage.PREPARE, linux.open_log, Slot("directory"), into=target)
        elif kind == "host":
            yield Step(Stage.PREPARE, linux.open_file, planning.host_path(path), flags, Mode(0o600), into=target)
        else:
            yield Step(Stage.SESSION, linux.open_file, path, flags, Mode(0o600), into=target)
        yield Step(Stage.SESSION, linux.install_stream, target, number)


def _command(planning: Planning) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    environment = planning.container.environment()
    command = tuple(planning.container.command)
    program = command[0]
    folders = [""] if "/" in program else environment["PATH"].split(":")
    candidates = tuple(os.path.join(folder, program) for folder in folders)
    return candidates, command, tuple(f"{name}={value}" for name, value in environment.items())

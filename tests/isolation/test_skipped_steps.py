"""Leaving out any step of a hardened plan turns a row red, or nothing comes to run, or the kernel does not tell."""

import os
from contextlib import contextmanager
from functools import partial

import pytest
from haconiwa_credentials import Credentials
from haconiwa_hardened import Hardened
from isolation.looking import before_exec, looked_at, planned, states
from system.world import PLUGINS, own_mounts, started

from haconiwa_core import linux
from haconiwa_core.container import Container
from haconiwa_core.errors import SetupError
from haconiwa_core.host import gather
from haconiwa_core.launch.direct import DirectLauncher
from haconiwa_core.linux.host import KERNEL
from haconiwa_core.planning.assembly import assembled
from haconiwa_core.planning.context import Planning
from haconiwa_core.planning.planner import plan
from haconiwa_core.runtime.attach import attach
from haconiwa_core.runtime.record import Process
from haconiwa_core.stages import Stage

OF_THE_ASSEMBLY = (linux.clone, linux.wait_at_gate, linux.set_dumpable, linux.note_time)
"""Processes are made, wait for the host, note the time, and are closed to others."""

KINDS = [("ids", 0), ("host", 0), ("ids", 1000), ("host", 1000)]
"""The container's ids, and who runs the command: what one kind hides, another shows."""

UNREADABLE = {
    "make_parents": "an earlier container has done it",
    "prepare_version_1": "it is for the controller cpuset, and for kernels before 5.11",
    "verify_filesystem": "it looks for what a root may lead elsewhere: tests/security/test_hostile_roots.py",
    "make_symlink": "without a link in /dev the container has less, and is isolated as before",
    "set_oom_score_adj": "what every container gets is no section's, and its row compares with what one asks for",
    "new_session_keyring": "the kernel shows the keyrings of a process to itself alone",
    "install_stream": "the streams are the caller's choice, and no isolation",
    "clear_ambient_set": "the inheritable set is emptied later, which empties the ambient set, too",
    "set_ambient_set": "emptying the inheritable set empties the ambient set, too",
    "set_secure_bits(0)": "the kernel shows them to the process alone; executing a program clears the only one",
    "change_directory": "the process is in the root before",
    "lower_sets": "of a start a row tells; what is attached is looked at when executing a program has done the same",
}
"""What no row is about, by the step's function or its begin; and why. Steps of the stage EXEC come after the look."""

BY_ENTRY = {
    "start": {"lower_sets"},
    "attach": {"make_parents", "prepare_version_1", "verify_filesystem", "make_symlink"},
}
"""The excuses that an entry has no need of."""

OF_VERSION_1 = {"prepare_version_1"}
"""What a host without version 1 of control groups does not do."""

PROTECTIONS = ("mask", "make_path_read_only")
"""Steps that have nothing to do for a path that the container does not have."""


def steps_of(plan):
    return [planned for planned in plan.steps if planned.step.function not in OF_THE_ASSEMBLY]


def without(name, entry, plan):
    """Return a plan less the steps of a name."""
    planning = Planning(plan.container, plan.host, entry)
    planning.facts = plan.facts
    kept = [item for item in steps_of(plan) if item.describe() != name]
    assert len(kept) < len(steps_of(plan))
    return assembled(planning, tuple(kept), hold=entry == "start")


def features_of(root, ids, user):
    given = Hardened(root=str(root), memory=64 << 20, pids=32, **({"ids": "host"} if ids == "host" else {}))
    return [given, *([Credentials(uid=user, gid=user)] if user else [])]


def is_idle(item):
    """Whether a step protects what is not there: the container shows the host's /proc, and has no /sys."""
    path = item.step.arguments[0] if item.step.function.__name__ in PROTECTIONS else ""
    return bool(path) and (path.startswith("/sys") or not os.path.lexists(path))


@contextmanager
def peculiar_caller():
    """Have what a container must not inherit, so that it is seen."""
    mask, groups = os.umask(0o077), os.getgroups()
    os.setgroups([4242])
    try:
        yield
    finally:
        os.setgroups(groups)
        os.umask(mask)


@contextmanager
def trials(features, entry):
    """Give the steps of an entry, and a function that returns the matrix that comes of another plan."""
    if entry == "start":
        yield steps_of(planned(features, hold=True)), partial(before_exec, features)
        return
    container = Container("looked-at", ["/bin/sleep", "1000"], features, stdin="null")
    first = started(container)
    whole, entering = planned(features), plan(container, gather(), PLUGINS, "attach", running=container)

    def attached(change):
        streams, launcher = {"stdout": 1, "stderr": 2}, DirectLauncher(KERNEL)
        child = attach(change(entering), first.name, Process.of(first.pid), streams, launcher)
        try:
            return looked_at(whole, child.pid)
        finally:
            child.kill()
            child.reap(with_group=True)

    try:
        yield steps_of(entering), attached
    finally:
        first.kill()
        first.finish(remove=True)


@pytest.mark.parametrize("entry", ["start", "attach"])
def test_each_step_that_is_left_out_turns_a_row_red(root, entry):
    red, quiet = set(), set()
    for ids, user in KINDS:
        with trials(features_of(root, ids, user), entry) as (steps, matrix):
            assert states(matrix(lambda made: made), "fails", "weak", "unknown") == set()
            for item in steps:
                name = item.describe()
                if name in red or is_idle(item) or item.step.stage is Stage.EXEC:
                    continue
                try:
                    # A container that is not kept apart changes the mounts of its caller.
                    with own_mounts(), peculiar_caller():
                        found = matrix(partial(without, name, entry))
                except SetupError:
                    red.add(name)  # Nothing comes to run.
                    continue
                (red if states(found, "fails") else quiet).add(name)
    quiet -= red
    excuses = tuple(set(UNREADABLE) - BY_ENTRY[entry])
    assert sorted(name for name in quiet if not name.startswith(excuses)) == []
    # An excuse that is none any more is to go.
    assert {excuse for excuse in excuses if not any(name.startswith(excuse) for name in quiet)} <= OF_VERSION_1

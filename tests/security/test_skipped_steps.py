"""Each step of a hardened plan is needed: without it something is open, or nothing comes to run."""

import os
from contextlib import contextmanager
from functools import partial

import pytest
from probe.probing import (
    DIRECTORY,
    IDS,
    PROGRAM,
    entering,
    hardened,
    install,
    on_the_host,
    opened,
    probed,
    starting,
    waiting,
)
from system.world import PLUGINS, own_mounts

from haconiwa_core import linux
from haconiwa_core.container import Container
from haconiwa_core.errors import SetupError
from haconiwa_core.host import gather
from haconiwa_core.planning.assembly import assembled
from haconiwa_core.planning.context import Planning
from haconiwa_core.planning.planner import plan

OF_THE_ASSEMBLY = (linux.clone, linux.wait_at_gate, linux.set_dumpable, linux.note_time)
"""Processes are made, wait for the host, note the time, and are closed to others: tests/system/test_attach.py."""

KINDS = [(IDS, 0), ("host", 0), (IDS, 1000), ("host", 1000)]
"""The container's ids, and who runs the command: what one kind hides, another shows."""

UNOBSERVABLE = {
    "make_parents": "an earlier container has done it",
    "prepare_version_1": "it is for the controller cpuset, and for kernels before 5.11",
    "verify_filesystem": "it looks for what a root may lead elsewhere: tests/security/test_hostile_roots.py",
    "clear_ambient_set": "the inheritable set is emptied later, which empties the ambient set, too",
    "set_ambient_set": "emptying the inheritable set empties the ambient set, too",
    "set_secure_bits(0)": "executing a program clears the only bit that is set",
    "lower_sets": "executing a program gives these sets; there are others only while it is looked for",
    "close_descriptors_on_exec": "a launcher has no descriptors but the plan's, each closed on execution",
}
"""What the probe cannot see, by the step's function or its begin, and why."""

BEHIND = {"new_session_keyring": "load_filter"}
"""What another step hides: without both, more is open than without the other alone."""

PROTECTIONS = {"mask": "masked.", "make_path_read_only": "read-only."}
"""Steps that have nothing to do for a path that is closed on the host, or not in the container; and their checks."""


def steps_of(plan):
    return [planned for planned in plan.steps if planned.step.function not in OF_THE_ASSEMBLY]


def name_of(planned):
    """Return what tells a step apart in every plan, whatever the command is."""
    return "execute" if planned.step.function is linux.execute else planned.describe()


def without(entry, left_out, plan):
    """Return a plan less the steps of these names."""
    planning = Planning(plan.container, plan.host, entry)
    planning.facts = plan.facts
    kept = [planned for planned in steps_of(plan) if name_of(planned) not in left_out]
    assert len(kept) == len(steps_of(plan)) - len(left_out)
    return assembled(planning, tuple(kept), hold=False)


@contextmanager
def trials(folder, features, entry):
    """Give a function that tells what is open without some steps."""

    def open_without(*left_out):
        change = partial(without, entry, left_out)
        call = entering(running, features, change) if entry == "attach" else starting(features, change=change)

        def caller(streams, arguments):
            try:
                call(streams, arguments)
            except SetupError:
                # What was not started has nothing to say.
                os.ftruncate(streams["stdout"], 0)

        # A container that is not kept apart changes the mounts of its caller.
        with own_mounts():
            findings = probed(folder, caller)
        return opened(findings) if findings else {"nothing runs"}

    if entry == "start":
        yield open_without
    else:
        with waiting(features) as running:
            yield open_without


def is_idle(planned, on_host):
    """Whether a step protects what is closed on the host, or is not in the container, which has no /sys."""
    prefix = PROTECTIONS.get(planned.step.function.__name__)
    path = planned.step.arguments[0] if prefix else ""
    return prefix is not None and (path.startswith("/sys") or prefix + path not in on_host)


@pytest.mark.parametrize("entry", ["start", "attach"])
def test_each_step_is_needed(probe, root, tmp_path, entry):
    on_host = opened(probed(tmp_path, on_the_host(probe)))
    unseen, seen = set(), set()
    for ids, user in KINDS:
        install(probe, root, 0 if ids == "host" else ids)
        features = hardened(root, ids=ids, user=user)
        container = Container("probe", [PROGRAM], features, workdir=DIRECTORY)
        todo = {name_of(item): item for item in steps_of(plan(container, gather(), PLUGINS, entry))}
        with trials(tmp_path, features, entry) as open_without:
            anyway = open_without()
            for name, planned in todo.items():
                if name in seen or is_idle(planned, on_host):
                    continue
                other = BEHIND.get(planned.step.function.__name__)
                hiding = [others for others in todo if other and others.startswith(other)]
                if open_without(name, *hiding) - (open_without(*hiding) if hiding else anyway):
                    seen.add(name)
                else:
                    unseen.add(name)
    unseen -= seen
    excuses = tuple(UNOBSERVABLE)
    assert sorted(name for name in unseen if not name.startswith(excuses)) == []
    assert sorted(name for name in seen if name.startswith(excuses)) == []

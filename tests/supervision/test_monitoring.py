"""What the kernel does to a container, and what it says itself, reaches its hooks."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from haconiwa_runtime import Runtime
from haconiwa_supervision import Ready, Supervision

from haconiwa_core import Container, DefinitionError
from haconiwa_core.definition.sections import build_section
from haconiwa_core.feature import Feature
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing import needs_root

pytestmark = needs_root

PATIENCE = 20.0

SAYS_READY = """
import os, socket, time
told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
told.connect(os.environ["NOTIFY_SOCKET"])
time.sleep(0.2)
told.send(b"STATUS=almost\\nREADY=1")
time.sleep(600)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Where a supervisor of its own keeps records, which ends when it has nothing to do."""
    store = Store(tmp_path / "state")
    yield store
    until(lambda: not (store.directory / ".supervisor" / "control").exists() or not is_supervised(store))


def is_supervised(store: Store) -> bool:
    from haconiwa_runtime.client import connect

    connection = connect(store.directory / ".supervisor" / "control")
    if connection:
        connection.close()
    return connection is not None


def until(true) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def cgroup(**options: object) -> Feature:
    """Return a section of haconiwa-cgroup, which other distributions of the tree do not import."""
    feature, problems = build_section("cgroup", options, Plugins())
    if feature is None:
        pytest.skip(f"haconiwa-cgroup is wanted: {problems[0]}")
    return feature


def noted(container: Container, *events: str) -> Container:
    """Let each event be noted in the container's store."""
    for event in events:

        def note(c) -> None:
            c.store[c.event["event"]] = c.store.get(c.event["event"], 0) + 1

        container.on(event)(note)
    return container


def told(store: Store, event: str) -> list[dict[str, object]]:
    lines = (store.directory / ".supervisor" / "events.jsonl").read_text().splitlines()
    return [found for line in lines if (found := json.loads(line))["event"] == event]


def hooks_that_ran(store: Store) -> list[object]:
    return [found["trigger"] for found in told(store, "hook")]


def test_a_process_that_was_killed_for_memory(store: Store) -> None:
    eats = f"{sys.executable} -c 'b = b\"x\" * 200_000_000'; exec sleep 600"
    container = noted(Container("eater", ["sh", "-c", eats], [cgroup(memory="32M", pids=50)]), "oom", "pids_limit")
    with Runtime(store=store) as runtime:
        runtime.start(container)
        until(lambda: "oom" in hooks_that_ran(store))
        assert "pids_limit" not in hooks_that_ran(store)


def test_the_last_one_is_told_before_the_end(store: Store) -> None:
    eats = [sys.executable, "-c", 'b = b"x" * 200_000_000']
    container = noted(Container("eater", eats, [cgroup(memory="32M")]), "oom", "after_exit")
    with Runtime(store=store) as runtime:
        result = runtime.run(container)
    assert (result.exit_status, result.reason) == (137, "oom")
    names = [found["event"] for word in ("oom", "exited") for found in told(store, word)]
    assert names == ["oom", "exited"]
    until(lambda: sorted(hooks_that_ran(store)) == ["after_exit", "oom"])


def test_a_process_that_was_refused(store: Store) -> None:
    forks = "(sleep 600 & sleep 600 & sleep 600 & sleep 600 & sleep 600 &); exec sleep 600"
    container = noted(Container("forker", ["sh", "-c", forks], [cgroup(memory="64M", pids=4)]), "oom", "pids_limit")
    with Runtime(store=store) as runtime:
        runtime.start(container)
        until(lambda: "pids_limit" in hooks_that_ran(store))
        assert "oom" not in hooks_that_ran(store)


def test_what_can_never_happen_is_refused(store: Store) -> None:
    container = noted(Container("calm", ["sleep", "600"]), "oom")
    with Runtime(store=store) as runtime, pytest.raises(DefinitionError, match="a limit of memory"):
        runtime.start(container)
    assert store.names() == []


def test_pressure_that_cannot_be_told_is_refused(store: Store) -> None:
    container = Container("calm", ["sleep", "600"])

    @container.on_pressure("memory")
    def never(c) -> None:
        """Is not called."""

    with Runtime(store=store) as runtime, pytest.raises(DefinitionError, match="control group"):
        runtime.start(container)
    assert store.names() == []


def test_it_is_ready_when_it_says_so(store: Store) -> None:
    features = [Supervision(ready=Ready(notify=True))]
    container = noted(Container("service", [sys.executable, "-c", SAYS_READY], features), "after_ready")
    with Runtime(store=store) as runtime:
        runtime.start(container)
        until(lambda: hooks_that_ran(store) == ["after_ready"])
    (ready,) = told(store, "ready")
    assert float(str(ready["seconds"])) >= 0.2
    assert [(found["message"], found["text"]) for found in told(store, "notified")] == [
        ("STATUS", "almost"),
        ("READY", ""),
    ]

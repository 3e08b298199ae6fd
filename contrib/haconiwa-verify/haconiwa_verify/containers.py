"""A probe in a container: instead of its command, or put into one that runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from haconiwa_runtime.recorded import find

from haconiwa_core.container import Container
from haconiwa_core.definition.stored import read_stored
from haconiwa_core.errors import HaconiwaError
from haconiwa_core.facts import Wrapper
from haconiwa_core.host import gather
from haconiwa_core.launch.choice import choose_launcher
from haconiwa_core.linux.host import start_time
from haconiwa_core.planning.plan import Plan
from haconiwa_core.planning.planner import plan
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.attach import attach
from haconiwa_core.runtime.record import Process
from haconiwa_core.runtime.start import start
from haconiwa_core.runtime.store import Store
from haconiwa_verify.plugin import INSTALLED, STREAM, Probe
from haconiwa_verify.prober import Prober
from haconiwa_verify.scene import Scene

_STREAMS: dict[str, Any] = {"stdin": "inherit", "stdout": "null", "stderr": "inherit", "terminal": False}


class Inside(NamedTuple):
    """A probe in a container.

    Args:
        process: whose isolation is looked at: the container's first.
        prober: that tries.
        host: the process that has started the container; None where that is this one, or has gone.
    """

    process: Process
    prober: Prober
    host: Process | None = None


def asked_of(container: Container, plugins: Plugins) -> Plan:
    """Return what a definition asks for, but for a program that starts the command: the probe stands in its place.

    Raises:
        DefinitionError: it cannot be planned.
    """
    made = plan(container, gather(), plugins)
    wrapper = made.facts.publisher(Wrapper)
    return plan(made.container.without(wrapper), made.host, plugins) if wrapper else made


def running(name: str, plugins: Plugins) -> Container:
    """Return the definition of a running container, as it is in force.

    Raises:
        HaconiwaError: there is none, or nothing can enter it.
    """
    found = find(Store(), name)
    if found.state == "paused":
        raise HaconiwaError(f"the container {name} is paused, and what enters it would be, too; unpause it first")
    # Tells what it is instead where it does not run.
    _ = found.child
    return read_stored(found.record.container, plugins)


def starting(asked: Plan, plugins: Plugins) -> Plan:
    """Return the plan of a start in which a probe takes the place of the command.

    Args:
        asked: as `asked_of` gives it.
        plugins: where its features come from.

    Raises:
        DefinitionError: a filter of system calls does not let it be executed from memory (execveat(2)).
    """
    return plan(_probed(asked.container), asked.host, _with_probe(plugins))


def entering(asked: Plan, plugins: Plugins) -> Plan:
    """Return the plan of a probe that is put into a running container; arguments and errors are those of `starting`."""
    return plan(_probed(asked.container), asked.host, _with_probe(plugins), "attach", running=asked.container)


@contextmanager
def started(made: Plan, scene: Scene, launcher: str | None = None) -> Iterator[Inside]:
    """Start a container with a probe, and end it.

    Args:
        made: as `starting` gives it.
        scene: where it is.
        launcher: by name; None takes the installed one.

    Raises:
        HaconiwaError: it cannot be set up, or not be cleaned up.
    """
    with Prober() as prober, closing(choose_launcher(launcher)) as used:
        claim = Store().claim_unique(made.container.name)
        container = start(made, claim, _streams(prober, scene), launcher=used)
        prober.theirs.close()
        try:
            yield Inside(Process.of(container.pid), prober)
        finally:
            container.kill()
            container.finish(remove=True)


@contextmanager
def entered(name: str, made: Plan, scene: Scene, launcher: str | None = None) -> Iterator[Inside]:
    """Put a probe into a running container, and end the probe.

    Args:
        name: of the container.
        made: as `entering` gives it.
        scene: where it is.
        launcher: by name; None takes the installed one.

    Raises:
        HaconiwaError: it does not run, or nothing can enter it.
    """
    found = find(Store(), name)
    first, supervisor = found.child, found.record.supervisor
    with Prober() as prober, closing(choose_launcher(launcher)) as used:
        attached = attach(made, name, first, _streams(prober, scene), used)
        prober.theirs.close()
        try:
            yield Inside(first, prober, supervisor if start_time(supervisor.pid) == supervisor.started else None)
        finally:
            attached.kill()
            attached.reap(with_group=True)


def _probed(container: Container) -> Container:
    # Hooks are for who really runs it.
    return replace(container + Probe(), hooks=[], **_STREAMS)


def _with_probe(plugins: Plugins) -> Plugins:
    return Plugins([*plugins.all, INSTALLED])


def _streams(prober: Prober, scene: Scene) -> dict[str, int]:
    return {"stdin": prober.theirs.fileno(), "stderr": scene.terminal, STREAM: scene.program}

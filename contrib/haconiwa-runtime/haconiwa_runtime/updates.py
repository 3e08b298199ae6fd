"""Change a running container: its limits while it runs, and its record with them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from haconiwa_core.container import Container
from haconiwa_core.definition.stored import read_stored
from haconiwa_core.errors import HaconiwaError, RecordError, SetupError, StepError
from haconiwa_core.host import HostFacts
from haconiwa_core.launch.local import Values, run_host_step
from haconiwa_core.linux.host import KERNEL
from haconiwa_core.planning.plan import PlannedStep
from haconiwa_core.planning.updating import plan_update
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.store import Store
from haconiwa_runtime.client import ask_about
from haconiwa_runtime.recorded import find

_LOCK = "update.lock"


def update(
    store: Store, name: str, change: Callable[[Container], Container], host: HostFacts, plugins: Plugins
) -> Container:
    """Change a running container to another definition, or leave all as it was; return the one that is in force.

    The supervisor that keeps it is told.

    Args:
        store: with its record.
        name: of the container.
        change: gives the new definition for the one that is in force.
        host: the facts of the machine.
        plugins: where the features come from.

    Raises:
        HaconiwaError: there is no such container, or it is not running.
        DefinitionError: the new definition is wrong, or differs in what cannot change.
        SetupError: a step failed; those before it are taken back, and `cleanup` says which could not be.
    """
    container = change_alone(store, name, change, host, plugins)
    # One that has ended meanwhile has left it to one that reads the record.
    with suppress(HaconiwaError):
        ask_about(store, name, "updated")
    return container


def change_alone(
    store: Store, name: str, change: Callable[[Container], Container], host: HostFacts, plugins: Plugins
) -> Container:
    """Do what `update` does, for its supervisor, who need not be told."""
    directory = store.directory / name
    find(store, name)
    with _alone(directory):
        found = find(store, name)
        _ = found.child
        old = read_stored(found.record.container, plugins)
        new = change(old)
        steps = plan_update(old, new, host, plugins)
        back = plan_update(new, old, host, plugins)
        values: Values = {"name": name, "directory": str(directory)}
        # Noted first: whoever looks after a crash finds what may be in force.
        store.change(name, new.to_json()["features"])
        try:
            _run(steps, values)
        except SetupError as error:
            error.cleanup = tuple(_failures(back, values))
            store.change(name, old.to_json()["features"])
            raise
    return new


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Let one update of a container happen after the other (flock(2))."""
    try:
        descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise RecordError(f"cannot update {directory.name}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _run(steps: Sequence[PlannedStep], values: Values) -> None:
    for planned in steps:
        try:
            run_host_step(planned, values, KERNEL)
        except OSError as error:
            raise SetupError(
                plugin=planned.plugin,
                stage="update",
                attempted=planned.describe(),
                number=error.errno or 0,
                reason=error.strerror or str(error),
                remedy=error.remedy if isinstance(error, StepError) else "",
            ) from error


def _failures(steps: Sequence[PlannedStep], values: Values) -> Iterator[str]:
    """Run every step, whatever happens to the others; yield what has failed."""
    for planned in steps:
        try:
            _run([planned], values)
        except SetupError as error:
            yield str(error)

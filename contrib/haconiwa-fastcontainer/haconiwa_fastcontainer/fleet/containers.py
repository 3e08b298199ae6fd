"""Start and end containers of instances, which the resident supervisor keeps: they do not end with their front."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from haconiwa_runtime import recorded
from haconiwa_runtime.recorded import LIVE
from haconiwa_supervision.control.resident import ResidentSupervisor

from haconiwa_core.container import Container
from haconiwa_core.errors import HaconiwaError, RecordError
from haconiwa_core.linux import open_process
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.record import Record
from haconiwa_core.runtime.store import Store
from haconiwa_core.runtime.supervisor import Start
from haconiwa_fastcontainer import FastContainer
from haconiwa_fastcontainer.fleet.network import Subject


class GoneError(HaconiwaError):
    """A container has ended."""


class Containers:
    """The containers of a state directory. All methods block; they are called in threads.

    Args:
        store: with their records.
        plugins: where features come from.
    """

    def __init__(self, store: Store, plugins: Plugins) -> None:
        self.store = store
        self._plugins = plugins
        self._supervisor = ResidentSupervisor()

    def start(self, container: Container, name: str, file: str) -> Subject:
        """Start a container, and return it when its command has been executed, or it is ready if it says what that is.

        Args:
            container: the definition.
            name: of the instance.
            file: of the definition, which has the functions of its hooks.

        Raises:
            GoneError: it has ended already.
            HaconiwaError: it could not be started; nothing is left of it.
        """
        # Without hooks of its own it needs no worker of its own: those of plugins run in one for all.
        own = file if container.hooks and file else None
        self._supervisor.start(Start([container], self.store, self._plugins, name, file=own))
        return self.subject(name)

    def subject(self, name: str) -> Subject:
        """Return a container that runs; its descriptor is the caller's to close.

        Raises:
            GoneError: it does not run.
            RecordError: there is no such container.
        """
        found = recorded.find(self.store, name)
        child = found.record.child
        if found.state not in LIVE or child is None:
            raise GoneError(f"the container {name} has ended")
        try:
            return Subject(name, child.pid, child.started, open_process(child.pid, child.started))
        except ProcessLookupError as error:
            raise GoneError(f"the container {name} has ended") from error

    def stop(self, name: str, timeout: float) -> None:
        """Ask a container to end, kill it if it does not, and forget it; nothing happens if there is none.

        Args:
            name: of the container.
            timeout: seconds between the two.
        """
        with _unless_forgotten(self.store, name):
            recorded.stop(self.store, name, timeout)
            recorded.remove(self.store, name)

    def kill(self, name: str) -> None:
        """Kill a container; its record and its log stay. Nothing happens if there is none."""
        with _unless_forgotten(self.store, name):
            recorded.stop(self.store, name, 0.0)

    def forget(self, name: str) -> None:
        """Forget a container that has ended: its record and its log."""
        with _unless_forgotten(self.store, name):
            recorded.await_record(self.store, name)
            # It may still be its supervisor's, which has not let go of it yet.
            recorded.remove(self.store, name, force=True)

    def instances(self) -> Iterator[tuple[Record, bool]]:
        """Yield the containers that fronts have started, and whether they run."""
        for found in recorded.find_all(self.store):
            section = found.record.container.get("features", {}).get(FastContainer.section, {})
            if section.get("front"):
                yield found.record, found.state in LIVE


@contextmanager
def _unless_forgotten(store: Store, name: str) -> Iterator[None]:
    try:
        yield
    except RecordError:
        if name in store:
            raise

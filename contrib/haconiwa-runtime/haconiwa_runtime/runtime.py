"""Containers from a Python program: `Runtime` starts them, in the manner of the module subprocess."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from haconiwa_core.container import Container
from haconiwa_core.definition.overrides import with_values
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.host import HostFacts, gather
from haconiwa_core.launch.choice import Launcher, choose_launcher
from haconiwa_core.planning.context import Entry
from haconiwa_core.planning.plan import Plan
from haconiwa_core.planning.planner import plan
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.start import Created, create, start
from haconiwa_core.runtime.store import Claim, Store
from haconiwa_core.runtime.supervisor import Start, resident_for
from haconiwa_runtime.forks import Forked
from haconiwa_runtime.owned import CreatedContainer, RunningContainer
from haconiwa_runtime.runs import MAX_OUTPUT, Result, Run, prepared

if TYPE_CHECKING:
    from haconiwa_core.isolation.rows import Isolation


class Runtime(Forked):
    """Starts containers as children of this process; a context manager that ends what is left of them.

    Safe from several threads: each call has its own descriptors. A forked copy of this process can
    go on with it, and knows nothing of the containers that were started before.

    Args:
        store: where records are kept; by default below /run, or $XDG_RUNTIME_DIR for an ordinary user.
        plugins: where features come from; by default what is installed.
        host: facts to plan with; by default those of this machine and process.
        launcher: what starts containers; by default the fastest that is installed. It is closed
            with the runtime.

    Raises:
        RecordError: an ordinary user has no $XDG_RUNTIME_DIR.
        PluginError: the installed launcher is broken.
    """

    def __init__(
        self,
        *,
        store: Store | None = None,
        plugins: Plugins | None = None,
        host: HostFacts | None = None,
        launcher: Launcher | None = None,
    ) -> None:
        super().__init__()
        self._particular = any((plugins, host, launcher))
        self._store = store or Store()
        self._plugins = plugins or Plugins()
        self._host = host or gather()
        self._launcher = launcher or choose_launcher()
        self._closed = False

    def _begin(self) -> None:
        self._planning = Lock()
        self._containers: set[RunningContainer] = set()
        self._created: set[CreatedContainer] = set()

    def __enter__(self) -> Runtime:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill the containers that still run, and forget all of them; nothing can be started any more.

        What another thread runs ends as if it had been killed by somebody.

        Raises:
            SetupError: one could not be cleaned up; the others were.
        """
        self._closed = True
        with ExitStack() as stack:
            stack.callback(self._launcher.close)
            for created in tuple(self._created):
                stack.callback(created.remove)
            for container in tuple(self._containers):
                stack.callback(container.remove)

    def start(self, container: Container, *, name: str | None = None, isolation: bool = False) -> RunningContainer:
        """Start a container in the background.

        Of its streams, those that the definition leaves at "inherit" are null (input) and the log.

        Args:
            container: the definition.
            name: of the instance; by default exactly the container's.
            isolation: read back what is in force, while all is set up and the command waits; see
                `RunningContainer.isolation`. A container that only the resident supervisor can start is refused.

        Raises:
            DefinitionError: it cannot be planned.
            RecordError: the name is in use.
            SetupError: it could not be set up, or the command not executed.
            RuntimeError: the runtime is closed.
        """
        return self._start(container.detached(), container.name if name is None else name, {}, isolation=isolation)

    def run(
        self,
        container: Container,
        *,
        input: bytes | None = None,
        timeout: float | None = None,
        check: bool = False,
        max_output: int = MAX_OUTPUT,
        isolation: bool = False,
    ) -> Result:
        """Run a container under a unique name until it has ended, and forget it.

        Args:
            container: the definition; streams that it leaves at "inherit" are captured.
            input: what the command can read; None is nothing.
            timeout: seconds from the command's start until all of it is killed; what it has
                written by then is returned.
            check: raise an error unless the exit status is 0.
            max_output: bytes kept of each stream; a container that writes more is killed.
            isolation: as for `start`; see `Result.isolation`.

        Raises:
            DefinitionError: it cannot be planned.
            SetupError: it could not be set up or cleaned up, or the command not executed.
            PayloadError: with `check`, the exit status is not 0; it holds the result.
            ValueError: input for a container whose definition says where it comes from.
            RuntimeError: the runtime is closed.
        """
        with (run := self._run(container, input, timeout, max_output, isolation)) as exchange:
            while not exchange.step():
                pass
        return run.result(check)

    def create(self, container: Container, *, name: str | None = None) -> CreatedContainer:
        """Set a container up as `start` does, as far as its command, which waits until it is told to go on.

        The arguments and errors are those of `start`. A container with hooks, or another that only the resident
        supervisor can start, is refused.
        """
        container = _placed(container)
        _, created = self._held(container.detached(), container.name if name is None else name, {})
        made = CreatedContainer(created, self, container)
        self._created.add(made)
        self._end_if_closed()
        return made

    def _run(
        self, container: Container, input: bytes | None, timeout: float | None, max_output: int, isolation: bool
    ) -> Run:
        def start(item: Container, streams: Mapping[str, int]) -> RunningContainer:
            return self._start(item, None, streams, isolation=isolation)

        return prepared(container, start, input, timeout, max_output)

    def _start(
        self, container: Container, name: str | None, streams: Mapping[str, int], *, isolation: bool
    ) -> RunningContainer:
        container = _placed(container)
        if isolation:
            return self._start_looked_at(container, name, streams)
        self._check_open()
        # Another process has other plugins and facts: it is asked only for what it alone can do.
        may = container.needs_supervisor or not self._particular
        if may and (resident := resident_for([container], self._store)):
            wanted = Start([container], self._store, self._plugins, name)
            return self._keep(resident.begin(wanted, streams), container)
        planned, claim = self._prepared(container, name)
        return self._keep(start(planned, claim, streams, launcher=self._launcher), container)

    def _start_looked_at(self, container: Container, name: str | None, streams: Mapping[str, int]) -> RunningContainer:
        from haconiwa_core.isolation.confined import Confined
        from haconiwa_core.isolation.matrix import isolation_of
        from haconiwa_core.runtime.record import Process

        planned, created = self._held(container, name, streams)
        try:
            with Confined(Process.of(created.pid), waits=True) as confined, self._planning:
                rows = isolation_of(planned, confined, self._plugins)
        except BaseException:
            created.abandon()
            raise
        return self._keep(created.start(), container, rows)

    def _held(self, container: Container, name: str | None, streams: Mapping[str, int]) -> tuple[Plan, Created]:
        """Set a container up as far as its command, which waits."""
        if container.needs_supervisor:
            problem = Problem(f"{container.name} has hooks, or the section of a supervisor: its start cannot be held")
            raise DefinitionError([problem])
        planned, claim = self._prepared(container, name, hold=True)
        return planned, create(planned, claim, streams, launcher=self._launcher)

    def _prepared(self, container: Container, name: str | None, *, hold: bool = False) -> tuple[Plan, Claim]:
        self._check_open()
        planned = self._planned(container, hold=hold)
        return planned, self._store.claim_unique(container.name) if name is None else self._store.claim(name)

    def _planned(
        self, container: Container, entry: Entry = "start", *, hold: bool = False, running: Container | None = None
    ) -> Plan:
        # Plugins are loaded while planning, once.
        with self._planning:
            return plan(container, self._host, self._plugins, entry, hold=hold, running=running)

    def _update(self, name: str, sections: Mapping[str, Mapping[str, Any]]) -> Container:
        from haconiwa_runtime.updates import update

        changes = {section.replace("_", "-"): values for section, values in sections.items()}
        with self._planning:
            return update(
                self._store,
                name,
                lambda container: with_values(container, changes, self._plugins),
                self._host,
                self._plugins,
            )

    def _keep(self, running: Running, container: Container, isolation: Isolation | None = None) -> RunningContainer:
        started = RunningContainer(running, self, container, isolation)
        self._containers.add(started)
        self._end_if_closed()
        return started

    def _end_if_closed(self) -> None:
        if self._closed:
            self.close()  # By another thread, which may not have seen what this one has started.
        self._check_open()

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the runtime is closed")


def _placed(container: Container) -> Container:
    """Say where its relative paths start: who keeps the container, or enters it later, stands elsewhere."""
    if container.folder:
        return container
    return replace(container, folder=os.getcwd()).at(container.place)

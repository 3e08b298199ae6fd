"""How the command line and programs start containers with the resident supervisor, which is started if need be."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from signal import SIGHUP, SIGINT, SIGQUIT, SIGTERM
from typing import NamedTuple

from haconiwa_runtime import recorded
from haconiwa_runtime.client import Connection, ask_about

from haconiwa_core.errors import EXIT_SETUP, HaconiwaError, RecordError
from haconiwa_core.linux.host import LOG_NAME
from haconiwa_core.runtime.forwarding import Forwarding
from haconiwa_core.runtime.outputs import Outputs
from haconiwa_core.runtime.processes import Child, End, Usage, is_readable
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.store import Store
from haconiwa_core.runtime.supervisor import TERMINAL, Start
from haconiwa_supervision.control.spawning import connected
from haconiwa_supervision.transport import definition_to_json

_REQUESTS_TO_END = (SIGHUP, SIGINT, SIGQUIT, SIGTERM)
_LOOK = 0.2


class ResidentSupervisor:
    """What `haconiwa_core.runtime.supervisor` finds by the entry point "resident"."""

    def start(self, wanted: Start) -> list[str]:
        """Start containers in the background; see `haconiwa_core.runtime.supervisor.Supervisor`."""
        with connected(wanted.store) as connection:
            streams = {} if wanted.terminal is None else {TERMINAL: wanted.terminal}
            started = _started(connection, wanted, [streams] * len(wanted.containers), bound=False)
        return [each.name for each in started]

    def run(self, wanted: Start) -> int:
        """Run containers in the foreground; see `haconiwa_core.runtime.supervisor.ResidentSupervisor`."""
        outputs = Outputs(prefixed=len(wanted.containers) > 1)
        with Forwarding() as forwarding, connected(wanted.store) as connection:
            with ExitStack() as opened:
                streams = [opened.enter_context(outputs.streams_of(each.name)) for each in wanted.containers]
                started = forwarding.start_all(
                    lambda: [_Bound(wanted.store, *each) for each in _started(connection, wanted, streams, bound=True)]
                )
            outputs.copy()
            ends = _ends(wanted, connection, started)
        statuses = [ends[each.name].exit_status for each in started]
        return next((EXIT_SETUP if status is None else status for status in statuses if status != 0), 0)

    def begin(self, wanted: Start, streams: Mapping[str, int]) -> Running:
        """Start the only container for a caller that waits for its end; see `ResidentSupervisor` of the core."""
        with ExitStack() as undo:
            connection = undo.enter_context(connected(wanted.store))
            (process,) = _started(connection, wanted, [streams], bound=True)
            undo.pop_all()
        return BoundContainer(wanted, connection, process)


class _Process(NamedTuple):
    """A container's first process as the supervisor tells of it; the descriptor is -1 where it has ended already."""

    name: str
    pid: int
    pidfd: int


class _Bound(Child):
    """A container in the foreground, to which signals are forwarded."""

    def __init__(self, store: Store, name: str, pid: int, pidfd: int) -> None:
        super().__init__(pid, pidfd)
        self.name = name
        self._store = store

    def send_signal(self, number: int) -> None:
        """Send it a signal; it is not started again after one that asks it to end."""
        if number in _REQUESTS_TO_END:
            _ask_if_possible(self._store, self.name, "retire")
        # Its first process is another one after a restart.
        with suppress(HaconiwaError):
            recorded.send_signal(self._store, self.name, number)


class BoundContainer(Running):
    """A container that the resident supervisor keeps for this process, and ends with it.

    Its descriptor is readable when the container has ended for good. A thread sees to that, for the end of the
    connection may be the supervisor's alone: it waits for the container's then, or for the next supervisor's answer.
    """

    def __init__(self, wanted: Start, connection: Connection, process: _Process) -> None:
        from haconiwa_supervision.threads import begin_in_own_thread

        store = wanted.store
        record = store.read(process.name) if process.name in store else None
        self._store = store
        self.name = process.name
        self.pid, self.pidfd = process.pid, os.eventfd(0)
        self.end: End | None = None
        self.timeline = None
        # Its supervisor keeps that, if it has one.
        self.terminal = None
        self.log = store.directory / process.name / LOG_NAME
        if record:
            self.record = record

        def await_end() -> End:
            with connection:
                return _ends(wanted, connection, [process])[self.name]

        self._ending = begin_in_own_thread(await_end)
        self._ending.add_done_callback(lambda _: os.eventfd_write(self.pidfd, 1))

    def send_signal(self, number: int) -> None:
        """Send its first process a signal; nothing happens when it has ended."""
        if self.end is None:
            with suppress(RecordError):
                recorded.send_signal(self._store, self.name, number)

    def kill(self) -> None:
        """Kill all of it, for good; nothing happens when it has ended."""
        if self.end is None:
            with suppress(RecordError):
                recorded.stop(self._store, self.name, 0.0)

    def has_attached(self, command: Sequence[str]) -> None:
        """Tell its supervisor that a command was put into it.

        Raises:
            HaconiwaError: as that answers.
        """
        ask_about(self._store, self.name, "attached", command=list(command))

    def finish(self, *, remove: bool = False) -> End:
        """Wait for the end and tell how it was; see `Running.finish`."""
        if self.end is None:
            is_readable(self.pidfd)
            os.close(self.pidfd)
            self.end = self._ending.result()
        if remove:
            self.remove()
        return self.end

    def remove(self) -> None:
        """Forget it: its record and its log."""
        if self.name in self._store:
            recorded.remove(self._store, self.name)

    def release(self) -> None:
        """Leave its record where it is."""


def _ask_if_possible(store: Store, name: str, do: str) -> None:
    # It has ended, or its supervisor has: what this goes with is done without it.
    with suppress(HaconiwaError):
        ask_about(store, name, do)


def _started(
    connection: Connection, wanted: Start, streams: Sequence[Mapping[str, int]], *, bound: bool
) -> list[_Process]:
    """Ask the supervisor to start containers, and return their processes."""
    # The supervisor has another working directory.
    file = os.path.abspath(wanted.file) if wanted.file else ""
    definitions = [definition_to_json(container, file) for container in wanted.containers]
    with _worker_of(wanted) as worker:
        answer = connection.ask(
            "start",
            [*(descriptor for each in streams for descriptor in each.values()), *worker],
            definitions=definitions,
            streams=[list(each) for each in streams],
            worker=bool(worker),
            name=wanted.name,
            remove=wanted.remove,
            launcher=wanted.launcher,
            bound=bound,
        )
    pidfds = answer.descriptors or [-1] * len(definitions)
    told = answer.content["started"]
    return [_Process(item["name"], item["pid"], pidfd) for item, pidfd in zip(told, pidfds, strict=True)]


@contextmanager
def _worker_of(wanted: Start) -> Iterator[list[int]]:
    """Give the socket of a worker that this program forks, if its containers have hooks that no file defines."""
    if wanted.file or not any(container.hooks for container in wanted.containers):
        yield []
        return
    from haconiwa_supervision.hooks.worker import fork_worker

    with fork_worker(wanted.containers) as worker:
        yield [worker.fileno()]


def _ends(wanted: Start, connection: Connection, started: Sequence[_Process] | Sequence[_Bound]) -> dict[str, End]:
    """Wait until all have ended for good, and tell how."""
    ends: dict[str, End] = {}
    for content in connection.all():
        told = content["ended"]
        usage = Usage(*told["usage"]) if told["usage"] else None
        ends[told["name"]] = End(told["exit_status"], told["reason"], usage, told["certainty"])
    for process in started:
        if process.name not in ends:
            ends[process.name] = _end_of(wanted, process)
        elif process.pidfd >= 0:
            os.close(process.pidfd)
    return ends


def _end_of(wanted: Start, process: _Process | _Bound) -> End:
    """Wait for the end of a container whose supervisor has gone; another one may come and go on with it."""
    store, name = wanted.store, process.name
    is_there = True
    while is_there:
        try:
            # First, for the process may have ended only to be started again.
            is_there = process.pidfd >= 0 and not is_readable(process.pidfd, _LOOK)
            if answer := ask_about(store, name, "wait"):
                value = answer["value"]
                return End(value["exit_status"], value["reason"], None, value["certainty"])
        except RecordError:
            break  # It has ended, and was forgotten.
        except HaconiwaError:
            is_there = True  # That one has gone, too.
    end = Child(process.pid, process.pidfd).reap(with_group=True)
    with suppress(RecordError):
        recorded.await_record(store, name)
        record = store.read(name)
        if record.exit_status is not None and record.end:
            end = record.end
        if wanted.remove:
            recorded.remove(store, name)
    return end

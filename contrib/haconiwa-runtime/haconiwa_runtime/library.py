"""Containers from a Python program: `Runtime` starts them, in the manner of the module subprocess."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from signal import SIGKILL, SIGTERM
from threading import Lock
from typing import Any, Literal

from haconiwa_core.container import Container
from haconiwa_core.errors import EXIT_SETUP, HaconiwaError, RecordError, SetupError
from haconiwa_core.host import HostFacts, gather
from haconiwa_core.launch.choice import Launcher, choose_launcher
from haconiwa_core.planning.baseline import STREAMS
from haconiwa_core.planning.planner import plan
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.processes import End, Usage, is_readable
from haconiwa_core.runtime.record import Store
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.start import start
from haconiwa_runtime.exchange import Exchange
from haconiwa_runtime.forks import Forked

MAX_OUTPUT = 1 << 20


@dataclass(frozen=True)
class Result:
    """How a container that was run to its end has ended.

    Attributes:
        exit_status: the command's own, or 128 + n for a signal n; None where the host program has
            taken it away, by ignoring SIGCHLD or by waiting for any child.
        stdout, stderr: what was written to the streams that the definition leaves at "inherit".
        reason: "exited", "signaled" or "unknown" as the container has ended by itself; "timeout"
            or "output-limit" where it was ended or its output was cut.
        usage: None where the status is.
    """

    exit_status: int | None
    stdout: bytes
    stderr: bytes
    reason: Literal["exited", "signaled", "unknown", "timeout", "output-limit"]
    usage: Usage | None


class PayloadError(HaconiwaError):
    """A command that was run with `check=True` has not ended with exit status 0; `result` says how."""

    def __init__(self, name: str, result: Result) -> None:
        self.result = result
        self.exit_status = EXIT_SETUP if result.exit_status is None else result.exit_status
        super().__init__(f"the command of {name} has ended with status {result.exit_status} ({result.reason})")


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
        self._store = store or Store()
        self._plugins = plugins or Plugins()
        self._host = host or gather()
        self._launcher = launcher or choose_launcher()
        self._closed = False

    def _begin(self) -> None:
        self._planning = Lock()
        self._containers: set[RunningContainer] = set()

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
            for container in tuple(self._containers):
                stack.callback(container.remove)

    def start(self, container: Container, *, name: str | None = None) -> RunningContainer:
        """Start a container in the background.

        Of its streams, those that the definition leaves at "inherit" are null (input) and the log.

        Args:
            container: the definition.
            name: of the instance; by default exactly the container's.

        Raises:
            DefinitionError: it cannot be planned.
            RecordError: the name is in use.
            SetupError: it could not be set up, or the command not executed.
            RuntimeError: the runtime is closed.
        """
        kept = {"stdin": "null", "stdout": "log", "stderr": "log"}
        return self._start(_with_streams(container, kept), container.name if name is None else name, {})

    def run(
        self,
        container: Container,
        *,
        input: bytes | None = None,
        timeout: float | None = None,
        check: bool = False,
        max_output: int = MAX_OUTPUT,
    ) -> Result:
        """Run a container under a unique name until it has ended, and forget it.

        Args:
            container: the definition; streams that it leaves at "inherit" are captured.
            input: what the command can read; None is nothing.
            timeout: seconds from the command's start until all of it is killed; what it has
                written by then is returned.
            check: raise an error unless the exit status is 0.
            max_output: bytes kept of each stream; a container that writes more is killed.

        Raises:
            DefinitionError: it cannot be planned.
            SetupError: it could not be set up or cleaned up, or the command not executed.
            PayloadError: with `check`, the exit status is not 0; it holds the result.
            ValueError: input for a container whose definition says where it comes from.
            RuntimeError: the runtime is closed.
        """
        with (run := self._run(container, input, timeout, max_output)) as exchange:
            while not exchange.step():
                pass
        return run.result(check)

    def _run(self, container: Container, input: bytes | None, timeout: float | None, max_output: int) -> Run:
        if input is None:
            container = _with_streams(container, {"stdin": "null"})
        elif container.stdin != "inherit":
            raise ValueError(f"input is given, and the container's stdin is {container.stdin!r}")
        piped = [stream for stream in STREAMS if getattr(container, stream) == "inherit"]
        exchange = Exchange(piped, input or b"", max_output)
        return Run(container.name, lambda streams: self._start(container, None, streams), exchange, timeout)

    def _start(self, container: Container, name: str | None, streams: Mapping[str, int]) -> RunningContainer:
        self._check_open()
        # Plugins are loaded while planning, once.
        with self._planning:
            planned = plan(container, self._host, self._plugins)
        claim = self._store.claim_unique(container.name) if name is None else self._store.claim(name)
        running = start(planned, claim, streams, launcher=self._launcher)
        started = RunningContainer(running, self._containers)
        self._containers.add(started)
        if self._closed:
            self.close()  # By another thread, which may not have seen this one.
        self._check_open()
        return started

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the runtime is closed")


class Run:
    """One container that is run to its end: a context, in which its user takes the exchange's steps.

    `Runtime` and its asynchronous twin share it; they differ in how they wait for a step.

    Args:
        name: for messages.
        start: starts it with its ends of the pipes.
        exchange: which the context opens and closes.
        timeout: seconds; None waits for ever.
    """

    def __init__(
        self,
        name: str,
        start: Callable[[Mapping[str, int]], RunningContainer],
        exchange: Exchange,
        timeout: float | None,
    ) -> None:
        self._name = name
        self._start = start
        self._exchange = exchange
        self._timeout = timeout
        self._open = ExitStack()

    def __enter__(self) -> Exchange:
        with ExitStack() as opened:
            exchange = opened.enter_context(self._exchange)
            container = self._start(exchange.theirs)
            opened.callback(self._end, container)
            exchange.watch(opened.enter_context(container._watched()), self._timeout)
            self._open = opened.pop_all()
        return exchange

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _end(self, container: RunningContainer) -> None:
        container.kill()
        end = container._finish(remove=True)
        self._exchange.drain()
        stdout, stderr = (bytes(output) for output in self._exchange.outputs.values())
        self._result = Result(end.exit_status, stdout, stderr, self._exchange.cut or end.reason, end.usage)

    def result(self, check: bool) -> Result:
        """Tell how it was, when the context is left; see `Runtime.run`."""
        if check and self._result.exit_status != 0:
            raise PayloadError(self._name, self._result)
        return self._result


class RunningContainer:
    """A container that `Runtime.start` has started. Safe from several threads.

    It belongs to this process: in a forked copy its methods raise RecordError.
    """

    def __init__(self, running: Running, owners: set[RunningContainer]) -> None:
        self._running = running
        self._owners = owners
        self._process = os.getpid()
        self._lock = Lock()
        self._finishing = Lock()
        self._ended = False
        self.name = running.name
        self.pid = running.pid
        """Of the first process, on the host."""

    @property
    def state(self) -> Literal["running", "exited"]:
        """Whether the first process has ended."""
        with self._watched() as descriptor:
            return "exited" if is_readable(descriptor, 0) else "running"

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end, clean up, and return the exit status; see `Result.exit_status`.

        Args:
            timeout: seconds; None waits for ever.

        Raises:
            TimeoutError: it still runs.
            SetupError: something that it left on the host could not be removed.
        """
        with self._watched() as descriptor:
            if not is_readable(descriptor, timeout):
                raise self._still_runs(timeout)
        return self._finish().exit_status

    def stop(self, timeout: float = 10.0) -> int | None:
        """Ask it to end with SIGTERM, kill all of it if it does not, and return the exit status.

        Args:
            timeout: seconds between the two.

        Raises:
            SetupError: as `wait`.
        """
        self.kill(SIGTERM)
        try:
            return self.wait(timeout)
        except TimeoutError:
            self.kill()
            return self.wait()

    def kill(self, signal: int = SIGKILL) -> None:
        """Send a signal to the first process, SIGKILL to all of it; nothing happens when it has ended.

        Args:
            signal: its number.
        """
        self._check_process()
        with self._lock:
            if self._ended:
                return
            if signal == SIGKILL:
                self._running.kill()
            else:
                self._running.send_signal(signal)

    def logs(self) -> bytes:
        """Return what it has written to its log so far; nothing if its streams lead elsewhere.

        Raises:
            RecordError: it was removed, and its log with it.
        """
        self._check_process()
        if self not in self._owners:
            raise RecordError(f"the container {self.name} was removed, and its log with it")
        try:
            return self._running.log.read_bytes()
        except FileNotFoundError:
            return b""

    def remove(self) -> None:
        """Kill it if it still runs, and forget its record and its log; the name can be used again.

        Raises:
            SetupError: as `wait`.
        """
        self.kill()
        self._finish(remove=True)

    @contextmanager
    def _watched(self) -> Iterator[int]:
        """Give a descriptor that is readable once the first process has ended.

        A copy: another thread may see the end first, and the number may come to mean another file.
        """
        self._check_process()
        with self._lock:
            descriptor = os.eventfd(1) if self._ended else os.dup(self._running.pidfd)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _still_runs(self, timeout: float | None) -> TimeoutError:
        return TimeoutError(f"the container {self.name} still runs after {timeout} s")

    def _finish(self, *, remove: bool = False) -> End:
        """Wait for the end, and clean up if that is still to be done."""
        # Cleaning up takes its time: who looks at the state does not wait for it.
        with self._finishing:
            end = self._running.end
            if end is None:
                is_readable(self._running.pidfd)
                with self._lock:
                    self._ended = True
                try:
                    end = self._running.finish(remove=remove)
                except SetupError:
                    self._owners.discard(self)  # The record is left to `haconiwa gc`.
                    raise
            elif remove and self in self._owners:
                self._running.remove()
            if remove:
                self._owners.discard(self)
            return end

    def _check_process(self) -> None:
        if self._process != os.getpid():
            raise RecordError(f"the container {self.name} belongs to the process {self._process}")


def _with_streams(container: Container, instead: Mapping[str, str]) -> Container:
    """Return the container with something else than "inherit" for these streams."""
    changes: dict[str, Any] = {
        stream: kind for stream, kind in instead.items() if getattr(container, stream) == "inherit"
    }
    return replace(container, **changes).at(container.place)

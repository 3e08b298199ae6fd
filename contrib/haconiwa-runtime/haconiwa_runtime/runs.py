"""Commands that are run to their end: how they are waited for, and how they have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from haconiwa_core.container import Container
from haconiwa_core.errors import EXIT_SETUP, HaconiwaError
from haconiwa_core.planning.baseline import STREAMS
from haconiwa_core.runtime.processes import Certainty, Child, End, Usage
from haconiwa_runtime.exchange import Exchange

if TYPE_CHECKING:
    from haconiwa_core.isolation.rows import Isolation

MAX_OUTPUT = 1 << 20


@dataclass(frozen=True)
class Result:
    """How a container that was run to its end has ended.

    Attributes:
        exit_status: the command's own, or 128 + n for a signal n; None where the host program has
            taken it away, by ignoring SIGCHLD or by waiting for any child.
        stdout, stderr: what was written to the streams that the definition leaves at "inherit".
        reason: "exited", "signaled" or "unknown" as its first process has ended; "oom", "pids" or "seccomp" where
            that speaks for it; "timeout" or "output-limit" where it was ended or its output was cut.
        usage: None where the status is.
        certainty: of the reason.
        isolation: what the kernel said before the command was executed; None unless it was asked for.
    """

    exit_status: int | None
    stdout: bytes
    stderr: bytes
    reason: str
    usage: Usage | None
    certainty: Certainty = "fact"
    isolation: Isolation | None = None


class PayloadError(HaconiwaError):
    """A command that was run with `check=True` has not ended with exit status 0; `result` says how."""

    def __init__(self, name: str, result: Result) -> None:
        self.result = result
        self.exit_status = EXIT_SETUP if result.exit_status is None else result.exit_status
        super().__init__(f"the command of {name} has ended with status {result.exit_status} ({result.reason})")


class Runs(Protocol):
    """What a run waits for: a container of its own, or a process that is attached to one."""

    isolation: Isolation | None

    def kill(self) -> None:
        """Kill all of it; nothing happens when it has ended."""

    def _watched(self) -> AbstractContextManager[int]:
        """Give a descriptor that is readable once it has ended."""

    def _finish(self, *, remove: bool) -> End:
        """Wait for its end, and clean up."""


class Attached:
    """A command in a container."""

    isolation: Isolation | None = None

    def __init__(self, child: Child) -> None:
        self._child = child

    def kill(self) -> None:
        """Kill it, its process group and its descendants; nothing happens when it has ended."""
        self._child.kill()

    @contextmanager
    def _watched(self) -> Iterator[int]:
        yield self._child.pidfd

    def _finish(self, *, remove: bool) -> End:  # noqa: ARG002 - it leaves no record
        return self._child.reap(with_group=False)


def prepared(
    container: Container,
    start: Callable[[Container, Mapping[str, int]], Runs],
    input: bytes | None,
    timeout: float | None,
    max_output: int,
) -> Run:
    """Return a run whose streams are captured where the definition leaves them at "inherit".

    Raises:
        ValueError: input for a container whose definition says where it comes from; or it has a terminal.
    """
    if container.terminal:
        raise ValueError("the output of a terminal cannot be captured: start the container, and use its `terminal`")
    if input is None:
        if container.stdin == "inherit":
            container = replace(container, stdin="null").at(container.place)
    elif container.stdin != "inherit":
        raise ValueError(f"input is given, and the container's stdin is {container.stdin!r}")
    piped = [stream for stream in STREAMS if getattr(container, stream) == "inherit"]
    exchange = Exchange(piped, input or b"", max_output)
    return Run(container.name, lambda streams: start(container, streams), exchange, timeout)


class Run:
    """A container, or a command in one, that is run to its end: a context in which its user takes the exchange's steps.

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
        start: Callable[[Mapping[str, int]], Runs],
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
            running = self._start(exchange.theirs)
            opened.callback(self._end, running)
            exchange.watch(opened.enter_context(running._watched()), self._timeout)
            self._open = opened.pop_all()
        return exchange

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _end(self, running: Runs) -> None:
        running.kill()
        end = running._finish(remove=True)
        self._exchange.drain()
        stdout, stderr = (bytes(output) for output in self._exchange.outputs.values())
        cut = self._exchange.cut
        certainty = "fact" if cut else end.certainty
        reason = cut or end.reason
        self._result = Result(end.exit_status, stdout, stderr, reason, end.usage, certainty, running.isolation)

    def result(self, check: bool) -> Result:
        """Tell how it was, when the context is left; see `Runtime.run`."""
        if check and self._result.exit_status != 0:
            raise PayloadError(self._name, self._result)
        return self._result

"""Real containers for tests, each with a state directory of its own."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any

from haconiwa_core.feature import Feature
from haconiwa_core.host import gather
from haconiwa_core.launch.choice import Launcher
from haconiwa_core.launch.interpreter import Kernel
from haconiwa_core.runtime.record import Store
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.start import start
from haconiwa_core.testing.plans import plan_of

_STREAMS = ("stdin", "stdout", "stderr")


@dataclass(frozen=True)
class Outcome:
    """How a container ended.

    Attributes:
        exit_status: the command's own, or 128 + n for a signal n.
        stdout, stderr: all that it wrote.
    """

    exit_status: int
    stdout: str
    stderr: str


def run(*features: Feature, command: Sequence[str], input: bytes = b"", **fields: Any) -> Outcome:
    """Run a container to its end on the real kernel, as a child of this process.

    Args:
        features: of the container.
        command: the program and its arguments.
        input: what its standard input holds.
        fields: as for `plan_of`.

    Raises:
        DefinitionError: it cannot be planned.
        SetupError: it could not be set up.
    """
    with ExitStack() as stack:
        streams = [stack.enter_context(TemporaryFile()) for _ in _STREAMS]
        streams[0].write(input)
        streams[0].seek(0)
        running = stack.enter_context(_start(features, streams, command=command, **fields))
        status = running.wait()
        texts = []
        for stream in streams[1:]:
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    return Outcome(status, *texts)


@contextmanager
def started(*features: Feature, command: Sequence[str] = ("sleep", "600"), **fields: Any) -> Iterator[Running]:
    """Keep a container running inside the `with` block; it is killed and cleaned up at its end.

    Args:
        features: of the container.
        command: the program and its arguments; its streams are a nameless file.
        fields: as for `plan_of`; also `store`, where the record is kept, `instance`, its name, and
            `launcher`, what starts it.
    """
    with ExitStack() as stack:
        streams = [stack.enter_context(TemporaryFile()) for _ in _STREAMS]
        running = stack.enter_context(_start(features, streams, command=command, **fields))
        try:
            yield running
        finally:
            running.send_signal(signal.SIGKILL)
            running.wait()


@contextmanager
def _start(
    features: Sequence[Feature],
    streams: Sequence[IO[bytes]],
    *,
    store: Store | None = None,
    instance: str = "test",
    kernel: Kernel | None = None,
    launcher: Launcher | None = None,
    **fields: Any,
) -> Iterator[Running]:
    plan = plan_of(*features, **{"host": gather(), **fields})
    with TemporaryDirectory() as directory:
        claim = (store or Store(Path(directory))).claim(instance)
        descriptors = {name: stream.fileno() for name, stream in zip(_STREAMS, streams, strict=True)}
        running = start(plan, claim, descriptors, kernel, launcher)
        try:
            yield running
        finally:
            running.remove()

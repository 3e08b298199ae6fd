"""Real containers for tests, each with a state directory of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any

from haconiwa_core.feature import Feature
from haconiwa_core.host import gather
from haconiwa_core.launch.choice import Launcher
from haconiwa_core.launch.interpreter import Kernel
from haconiwa_core.linux import start_time
from haconiwa_core.planning.plan import Plan
from haconiwa_core.runtime.attach import attach
from haconiwa_core.runtime.record import Process
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.start import Created, create, start
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing.plans import plan_of

INSTANCE = f"test-{os.getpid()}"
"""The name of a container for which a test gives none: what it has on the host must not be another test run's."""

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
    with _files(input) as streams, _start(features, streams, command=command, **fields) as running:
        return _outcome(running.wait(), streams)


def run_attached(
    running: Running, *features: Feature, command: Sequence[str], input: bytes = b"", **fields: Any
) -> Outcome:
    """Run a command to its end in a container that `started` keeps running.

    Args:
        running: the container.
        features: of the container, the same as it was started with.
        command: the program and its arguments.
        input: what its standard input holds.
        fields: as for `plan_of`, the same as it was started with.

    Raises:
        DefinitionError: it cannot be planned.
        SetupError: it could not be set up.
    """
    plan = plan_of(*features, **{"host": gather(), **fields, "command": command, "entry": "attach"})
    first = Process(running.pid, start_time(running.pid))
    with _files(input) as streams:
        child = attach(plan, running.name, first, _descriptors(streams))
        # None would be an end that somebody else has seen.
        status = child.reap(with_group=True).exit_status
        assert status is not None
        return _outcome(status, streams)


@contextmanager
def started(*features: Feature, command: Sequence[str] = ("sleep", "600"), **fields: Any) -> Iterator[Running]:
    """Keep a container running inside the `with` block; it is killed and cleaned up at its end.

    Args:
        features: of the container.
        command: the program and its arguments; its streams are a nameless file.
        fields: as for `plan_of`; also `store`, where the record is kept, `instance`, its name, and
            `launcher`, what starts it.
    """
    with _files() as streams, _start(features, streams, command=command, **fields) as running:
        try:
            yield running
        finally:
            running.send_signal(signal.SIGKILL)
            running.wait()


@contextmanager
def held(plan: Plan, store: Store, kernel: Kernel | None = None) -> Iterator[Created]:
    """Keep a container inside the `with` block as it is right before its command; it is undone at the end.

    Args:
        plan: that holds, for this host.
        store: where the record is kept.
        kernel: what runs the calls; the running kernel by default.

    Raises:
        SetupError: it could not be set up.
    """
    with _files() as streams:
        created = create(plan, store.claim(INSTANCE), _descriptors(streams), kernel)
        try:
            yield created
        finally:
            failures = created.abandon()
        assert not failures, f"an undo fails: {'; '.join(failures)}"


@contextmanager
def _start(
    features: Sequence[Feature],
    streams: Sequence[IO[bytes]],
    *,
    store: Store | None = None,
    instance: str = INSTANCE,
    kernel: Kernel | None = None,
    launcher: Launcher | None = None,
    **fields: Any,
) -> Iterator[Running]:
    plan = plan_of(*features, **{"host": gather(), **fields})
    with TemporaryDirectory() as directory:
        claim = (store or Store(Path(directory))).claim(instance)
        running = start(plan, claim, _descriptors(streams), kernel, launcher)
        try:
            yield running
        finally:
            running.remove()


@contextmanager
def _files(input: bytes = b"") -> Iterator[tuple[IO[bytes], ...]]:
    with TemporaryFile() as stdin, TemporaryFile() as stdout, TemporaryFile() as stderr:
        stdin.write(input)
        stdin.seek(0)
        yield stdin, stdout, stderr


def _descriptors(streams: Sequence[IO[bytes]]) -> dict[str, int]:
    return {name: stream.fileno() for name, stream in zip(_STREAMS, streams, strict=True)}


def _outcome(status: int, streams: Sequence[IO[bytes]]) -> Outcome:
    texts = []
    for stream in streams[1:]:
        stream.seek(0)
        texts.append(stream.read().decode(errors="replace"))
    return Outcome(status, *texts)

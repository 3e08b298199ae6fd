"""Run containers in the foreground: streams pass through, signals are forwarded."""

from __future__ import annotations

import os
import selectors
import signal
from collections.abc import Sequence
from contextlib import closing

from haconiwa_core.errors import SetupError
from haconiwa_core.launch.choice import Launcher
from haconiwa_core.log import Log
from haconiwa_core.planning.plan import Plan
from haconiwa_core.runtime.forwarding import Forwarding
from haconiwa_core.runtime.orphans import adopted_orphans
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.start import start
from haconiwa_core.runtime.store import Claim, Store

_CHUNK = 1 << 16
_LINE_LIMIT = 1 << 20


def run_all(
    plans: Sequence[Plan], store: Store, launcher: Launcher, *, name: str | None, remove: bool, log: Log
) -> int:
    """Run containers until all have ended.

    Args:
        plans: one for each container. The output of several is prefixed with their names.
        store: where records are kept.
        launcher: starts them; closed at the end.
        name: the only container's; None makes unique ones.
        remove: forget each container when it has ended.
        log: for what cannot be cleaned up.

    Returns:
        The first exit status, in the order of the plans, that is not 0; else 0.

    Raises:
        SetupError: a container could not be started; those that were have been ended.
    """
    with Forwarding() as forwarding, adopted_orphans(), closing(launcher):
        session = _Session(forwarding, prefixed=len(plans) > 1)
        try:
            for item in plans:
                session.start(item, store, launcher, name)
        except BaseException:
            session.kill()
            session.finish(remove, log)
            raise
        return session.finish(remove, log)


class _Session:
    """The containers of one `run`, and the pipes that carry their output."""

    def __init__(self, forwarding: Forwarding, *, prefixed: bool) -> None:
        self._forwarding = forwarding
        self._prefixed = prefixed
        self._running: list[Running] = []
        self._selector = selectors.DefaultSelector()

    def start(self, plan: Plan, store: Store, launcher: Launcher, name: str | None) -> None:
        claim = store.claim(name) if name is not None else store.claim_unique(plan.container.name)
        if not self._prefixed:
            self._start(plan, claim, {"stdin": 0, "stdout": 1, "stderr": 2}, launcher)
            return
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        outputs = [os.pipe2(os.O_CLOEXEC) for _ in range(2)]
        streams = {"stdin": nothing, "stdout": outputs[0][1], "stderr": outputs[1][1]}
        try:
            self._start(plan, claim, streams, launcher)
        finally:
            for descriptor in streams.values():
                os.close(descriptor)
        for target, (reader, _) in enumerate(outputs, start=1):
            lines = _Prefixed(f"{plan.container.name} | ".encode(), target)
            self._selector.register(reader, selectors.EVENT_READ, lines)

    def _start(self, plan: Plan, claim: Claim, streams: dict[str, int], launcher: Launcher) -> None:
        started = self._forwarding.start(lambda: start(plan, claim, streams, launcher=launcher))
        self._running.append(started)

    def kill(self) -> None:
        for running in self._running:
            running.send_signal(signal.SIGKILL)

    def finish(self, remove: bool, log: Log) -> int:
        self._copy_output()
        statuses = []
        for running in self._running:
            try:
                statuses.append(running.wait())
            except SetupError as error:
                log.error(str(error))
                statuses.append(error.exit_status)
                running.release()
                continue
            running.remove() if remove else running.release()
        self._selector.close()
        return next((status for status in statuses if status), 0)

    def _copy_output(self) -> None:
        """Copy prefixed lines until the last writer has closed its end."""
        while self._selector.get_map():
            for key, _ in self._selector.select():
                chunk = os.read(key.fd, _CHUNK)
                key.data.write(chunk)
                if not chunk:
                    self._selector.unregister(key.fd)
                    os.close(key.fd)


class _Prefixed:
    """Puts a prefix before each line, and writes whole lines."""

    def __init__(self, prefix: bytes, target: int) -> None:
        self._prefix = prefix
        self._target = target
        self._rest = b""

    def write(self, chunk: bytes) -> None:
        """Take a chunk; an empty one is the end, which ends an unfinished line too."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if self._rest and (not chunk or len(self._rest) > _LINE_LIMIT):
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            _write_all(self._target, self._prefix + line + b"\n")


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]

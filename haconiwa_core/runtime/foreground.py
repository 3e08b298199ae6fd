"""Run containers in the foreground: streams pass through, signals are forwarded."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import closing

from haconiwa_core.errors import SetupError
from haconiwa_core.launch.choice import Launcher
from haconiwa_core.log import Log
from haconiwa_core.planning.plan import Plan
from haconiwa_core.runtime.forwarding import Forwarding
from haconiwa_core.runtime.orphans import adopted_orphans
from haconiwa_core.runtime.outputs import Outputs
from haconiwa_core.runtime.processes import OF_STATUS
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.start import start
from haconiwa_core.runtime.store import Claim, Store


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
        self._outputs = Outputs(prefixed=prefixed)
        self._running: list[Running] = []

    def start(self, plan: Plan, store: Store, launcher: Launcher, name: str | None) -> None:
        claim = store.claim(name) if name is not None else store.claim_unique(plan.container.name)
        with self._outputs.streams_of(plan.container.name) as streams:
            self._start(plan, claim, streams, launcher)

    def _start(self, plan: Plan, claim: Claim, streams: dict[str, int], launcher: Launcher) -> None:
        started = self._forwarding.start(lambda: start(plan, claim, streams, launcher=launcher))
        self._running.append(started)

    def kill(self) -> None:
        for running in self._running:
            running.send_signal(signal.SIGKILL)

    def finish(self, remove: bool, log: Log) -> int:
        self._outputs.copy()
        statuses = []
        for running in self._running:
            try:
                statuses.append(running.wait())
                _tell_reason(running, log)
            except SetupError as error:
                log.error(str(error))
                statuses.append(error.exit_status)
                running.release()
                continue
            running.remove() if remove else running.release()
        return next((status for status in statuses if status), 0)


def _tell_reason(running: Running, log: Log) -> None:
    """Say why it has ended where its status alone does not."""
    end = running.end
    if end and end.reason not in OF_STATUS:
        likely = "likely " if end.certainty == "likely" else ""
        log.warning(f"{running.name} has ended with status {end.exit_status}: {likely}{end.reason}")

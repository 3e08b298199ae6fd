"""Start a container that outlives its caller, and leave one small process behind that supervises it.

The supervisor is a copy of the caller that lets go of everything, starts the container, says how that
went, and then replaces itself by `watch`, which is as little of Python as it can be.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import haconiwa_core
from haconiwa_core.errors import EXIT_SETUP, HaconiwaError
from haconiwa_core.host import gather
from haconiwa_core.launch.choice import Launcher, choose_launcher
from haconiwa_core.linux.host import adopt_orphans
from haconiwa_core.planning.plan import Plan
from haconiwa_core.planning.planner import plan_all
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.start import start
from haconiwa_core.runtime.store import Claim
from haconiwa_core.runtime.supervisor import Start
from haconiwa_runtime import watch
from haconiwa_runtime.recorded import remove

_LAST_DESCRIPTOR = 2**31 - 1


class DetachError(HaconiwaError):
    """A detached container could not be started; `cleanup` is what could not be undone, as messages."""

    def __init__(self, message: str, exit_status: int, cleanup: Sequence[str]) -> None:
        self.exit_status = exit_status
        self.cleanup = tuple(cleanup)
        super().__init__(message)


class DetachedSupervisor:
    """Supervises each detached container by a process of its own: what `haconiwa run -d` uses."""

    def start(self, wanted: Start) -> list[str]:
        """Start containers in the background; see `haconiwa_core.runtime.supervisor.Supervisor`."""
        plans = plan_all(wanted.containers, gather(), wanted.plugins)
        started: list[str] = []
        try:
            for plan in plans:
                started.append(self._start(plan, wanted))
        except BaseException:
            for name in started:
                remove(wanted.store, name, force=True)
            raise
        return started

    def _start(self, plan: Plan, wanted: Start) -> str:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            _supervise(plan, wanted, writer)
        os.close(writer)
        with open(reader, "rb") as told:
            answer = json.loads(told.read() or "null")
        if answer is None:
            raise HaconiwaError(f"the supervisor of {plan.container.name}, process {pid}, has ended; run `haconiwa gc`")
        if "name" in answer:
            return str(answer["name"])
        raise DetachError(**answer)


def _supervise(plan: Plan, wanted: Start, answers: int) -> NoReturn:
    try:
        _let_go_of_the_caller([answers, *([] if wanted.terminal is None else [wanted.terminal])])
        store, name = wanted.store, wanted.name
        claim = store.claim(name) if name is not None else store.claim_unique(plan.container.name)
        adopt_orphans(True)
        used = choose_launcher(wanted.launcher)
        try:
            running, broker = _started(plan, claim, used, wanted.terminal)
        finally:
            used.close()
        command = _watching(claim, running, wanted.remove, broker)
        _tell(answers, name=claim.name)
        os.close(answers)
        os.execve(command[0], command, {})
    except HaconiwaError as error:
        _tell(answers, message=str(error), exit_status=error.exit_status, cleanup=getattr(error, "cleanup", ()))
    except BaseException:
        # A fault of ours: nobody would see it otherwise, for this process has no streams.
        _tell(answers, message=traceback.format_exc(), exit_status=EXIT_SETUP, cleanup=())
        raise
    finally:
        os._exit(1)


def _started(plan: Plan, claim: Claim, launcher: Launcher, first: int | None) -> tuple[Running, int]:
    """Start it; return it, and the descriptor that leads to the broker of its terminal, -1 where it has none."""
    if plan.container.terminal:
        from haconiwa_runtime.terminal.spawning import give_to_broker, size_asked_by
    size = (0, 0) if first is None else size_asked_by(first)
    running = start(plan, claim, {}, launcher=launcher, orphan="keep", size=size)
    broker = -1
    try:
        if running.terminal is not None:
            broker = give_to_broker(running, claim.directory, first).detach()
        running.keep_timings()
    except BaseException:
        running.kill()
        running.finish(remove=True)
        raise
    return running, broker


def _tell(answers: int, **what: object) -> None:
    os.write(answers, json.dumps(what).encode())


def _let_go_of_the_caller(kept: Sequence[int]) -> None:
    """Keep nothing of the caller's session, folder, signals and streams but some descriptors."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    start = 3
    for descriptor in sorted(kept):
        os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, _LAST_DESCRIPTOR)


def _watching(claim: Claim, running: Running, remove: bool, broker: int) -> list[str]:
    """Return the command that this process becomes; it inherits the claim, the container's descriptor, the broker's."""
    for descriptor in (claim.fileno(), running.pidfd, *([broker] if broker >= 0 else [])):
        os.set_inheritable(descriptor, True)
    folders = (Path(haconiwa_core.__file__).parents[1], Path(watch.__file__).parents[1])
    descriptors = map(str, (claim.fileno(), running.pid, running.pidfd, int(remove), broker))
    return [sys.executable, "-I", "-S", watch.__file__, str(claim.directory), *descriptors, *map(str, folders)]

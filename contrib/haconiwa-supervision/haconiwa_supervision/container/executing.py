"""Commands that are executed in a container that runs, for its hooks and to see whether it is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from haconiwa_runtime.runs import MAX_OUTPUT, Attached, prepared
from haconiwa_runtime.waiting import is_readable

from haconiwa_core.container import Container
from haconiwa_core.errors import HaconiwaError
from haconiwa_core.planning.baseline import STREAMS
from haconiwa_core.runtime.attach import attach
from haconiwa_supervision.hooks.context import Executed
from haconiwa_supervision.threads import in_own_thread

if TYPE_CHECKING:
    from haconiwa_supervision.container.supervised import Supervised


async def execute(
    container: Supervised,
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    workdir: str | None = None,
    input: bytes | None = None,
    timeout: float | None = None,
    entered: Callable[[], None] = lambda: None,
) -> Executed:
    """Run a command in a container, confined as its first process is, until that has ended. Cancelled, it is killed.

    Args:
        container: which runs.
        command: the program and its arguments.
        env: added to the definition's environment.
        workdir: absolute path inside; the definition's by default.
        input: what its standard input holds.
        timeout: seconds until it is killed.
        entered: called when it is being executed.

    Raises:
        HaconiwaError: it cannot be executed.
    """
    first = container.life.child
    if not container.life.runs or first is None:
        raise HaconiwaError(f"the container {container.name} is not running: it is {container.status}")
    in_force, supervisor = container.container, container.supervisor
    streams: dict[str, Any] = dict.fromkeys(STREAMS, "inherit")
    environment = {**in_force.env, **(env or {})}
    entering = replace(in_force, command=command, env=environment, workdir=workdir or in_force.workdir, **streams)
    entering = replace(entering, terminal=False)

    def enter(entering: Container, streams: Mapping[str, int]) -> Attached:
        planned = supervisor.plans.attach(entering, in_force)
        launcher = supervisor.launcher(container.state.launcher)
        return Attached(attach(planned, container.name, first, streams, launcher))

    run = prepared(entering, enter, input, timeout, MAX_OUTPUT)

    def leave(_: object = None) -> None:
        run.__exit__()

    exchange = await in_own_thread(run.__enter__, leave)
    try:
        entered()
        while not exchange.step(0):
            await is_readable(exchange, exchange.left)
    finally:
        await asyncio.shield(in_own_thread(leave))
    result = run.result(check=False)
    return Executed(result.exit_status, result.stdout, result.stderr, result.reason == "output-limit")

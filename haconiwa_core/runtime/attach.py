"""Put a process into a running container, confined as its first one is."""

from __future__ import annotations

from collections.abc import Mapping

from haconiwa_core.launch.choice import Launcher
from haconiwa_core.launch.direct import DirectLauncher
from haconiwa_core.launch.local import Values
from haconiwa_core.linux.host import KERNEL
from haconiwa_core.planning.plan import Plan
from haconiwa_core.runtime.launching import Launching
from haconiwa_core.runtime.processes import Child
from haconiwa_core.runtime.record import Process


def attach(
    plan: Plan,
    name: str,
    first: Process,
    streams: Mapping[str, int],
    launcher: Launcher | None = None,
    size: tuple[int, int] = (0, 0),
) -> Child:
    """Run a planned command in a container.

    It is this process's child, and has to be reaped: a pid namespace ends only when all that were
    in it have been.

    Args:
        plan: of the entry "attach".
        name: the container's.
        first: its first process.
        streams: descriptors for the standard streams that are inherited, by "stdin" ....
        launcher: what runs the program; a fork of this process by default.
        size: rows and columns that its terminal has at first, if the plan gives it one.

    Raises:
        SetupError: a step failed, as it does when the container has ended; nothing is left.
    """
    values: Values = {f"caller-{stream}": descriptor for stream, descriptor in streams.items()}
    values |= {"name": name, "first": first.pid, "first-started": first.started}
    launching = Launching(plan, values, KERNEL, launcher or DirectLauncher(KERNEL), size=size)
    try:
        launching.run(lambda _: None)
    except BaseException:
        launching.abandon()
        raise
    return Child(*launching.child(), launching.terminal)

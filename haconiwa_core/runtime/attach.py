"""Put a process into a running container, confined as its first one is."""

from __future__ import annotations

from collections.abc import Mapping

from haconiwa_core.launch.choice import Launcher
from haconiwa_core.launch.direct import DirectLauncher
from haconiwa_core.linux.host import KERNEL
from haconiwa_core.planning.plan import Plan
from haconiwa_core.runtime.launching import Launching
from haconiwa_core.runtime.processes import Child
from haconiwa_core.runtime.record import Process


def attach(plan: Plan, init: Process, streams: Mapping[str, int], launcher: Launcher | None = None) -> Child:
    """Run a planned command in a container.

    It is this process's child, and has to be reaped: a pid namespace ends only when all that were
    in it have been.

    Args:
        plan: of the entry "attach".
        init: the container's first process.
        streams: descriptors for the standard streams that are inherited, by "stdin" ....
        launcher: what runs the program; a fork of this process by default.

    Raises:
        SetupError: a step failed, as it does when the container has ended; nothing is left.
    """
    values = {f"caller-{stream}": descriptor for stream, descriptor in streams.items()}
    identity = {"init": init.pid, "init-started": init.started}
    launching = Launching(plan, {**values, **identity}, KERNEL, launcher or DirectLauncher(KERNEL))
    try:
        launching.run(lambda _: None)
    except BaseException:
        launching.abandon()
        raise
    return Child(*launching.child())

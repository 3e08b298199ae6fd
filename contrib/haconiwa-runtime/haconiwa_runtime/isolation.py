"""The isolation matrix of a container that another process supervises."""

from __future__ import annotations

from haconiwa_core.definition.stored import read_stored
from haconiwa_core.errors import HaconiwaError
from haconiwa_core.host import gather
from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.matrix import isolation_of
from haconiwa_core.isolation.rows import Isolation
from haconiwa_core.linux.host import start_time
from haconiwa_core.planning.planner import plan
from haconiwa_core.plugins.loading import Plugins
from haconiwa_runtime.recorded import Found


def isolation_of_found(found: Found) -> Isolation:
    """Return what was asked of a container, as it is in force, and what the kernel says of its first process.

    Raises:
        HaconiwaError: it is not running, or could not be planned any more.
    """
    child, supervisor = found.child, found.record.supervisor
    plugins = Plugins()
    planned = plan(read_stored(found.record.container, plugins), gather(), plugins)
    # Who has started it is the host to it; of one who is gone nothing can be read any more.
    host = supervisor if start_time(supervisor.pid) == supervisor.started else None
    try:
        with Confined(child, host, waits=found.state == "created") as confined:
            return isolation_of(planned, confined, plugins)
    except ProcessLookupError as error:
        raise HaconiwaError(f"the container {found.record.name} has ended meanwhile") from error

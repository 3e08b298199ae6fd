"""What `pause` and `unpause` have in common."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options
from pathlib import Path

from haconiwa_cgroup.freezer import set_frozen
from haconiwa_core.errors import HaconiwaError
from haconiwa_core.linux import start_time
from haconiwa_core.log import Log
from haconiwa_core.runtime.record import boot_id
from haconiwa_core.runtime.store import Store


def add_names(parser: ArgumentParser) -> None:
    """Let a verb take names of containers."""
    parser.add_argument("names", metavar="NAME", nargs="+", help="of a container")


def set_each(options: Options, log: Log, *, frozen: bool) -> int:
    """Freeze or thaw each container, whatever happens to the others; return 0, or the last failure's exit status."""
    status = 0
    for name in options.names:
        try:
            _set(name, frozen=frozen)
        except HaconiwaError as error:
            log.error(str(error))
            status = error.exit_status
    return status


def _set(name: str, *, frozen: bool) -> None:
    record = Store().read(name)
    child = record.child
    if child is None or record.boot != boot_id() or start_time(child.pid) != child.started:
        raise HaconiwaError(f"the container {name} is not running")
    if not record.group:
        raise HaconiwaError(f"the container {name} has no control group of its own; it needs haconiwa-cgroup")
    try:
        set_frozen(Path(*record.group), frozen=frozen)
    except OSError as error:
        raise HaconiwaError(f"the container {name}: {error}") from error

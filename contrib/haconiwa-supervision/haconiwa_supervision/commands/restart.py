"""`haconiwa restart`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_runtime.commands.arguments import add_names, seconds

from haconiwa_core.log import Log

HELP = "end containers and start them again, also those that have ended, under their names"

_AT_ONCE = 64


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_names(parser)
    parser.add_argument(
        "-t", "--time", type=seconds, metavar="SECONDS", help="until all of it is killed; as its definition says"
    )


def main(options: Options, log: Log) -> int:
    """Restart containers that the resident supervisor keeps, or has kept; return 0 if all have started."""
    from haconiwa_runtime.client import ask_about
    from haconiwa_runtime.commands.arguments import each_name

    from haconiwa_core.errors import HaconiwaError
    from haconiwa_core.runtime.store import Store
    from haconiwa_supervision.control.spawning import connected
    from haconiwa_supervision.state import read_state

    store = Store()

    def restart(name: str) -> None:
        store.read(name)  # For its error.
        if read_state(store.directory / name) is None:
            raise HaconiwaError(f"the container {name} is not kept by the resident supervisor; stop it and run it anew")
        if ask_about(store, name, "restart", timeout=options.time) is None:
            with connected(store) as connection:
                connection.ask("restart", name=name, timeout=options.time)

    return each_name(options.names, log, restart, at_once=_AT_ONCE)

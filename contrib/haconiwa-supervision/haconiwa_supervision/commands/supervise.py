"""`haconiwa supervise`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.log import Log

HELP = "keep containers, run their hooks, restart them: one resident process for all"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("--detach", action="store_true", help="in the background: return when it listens")
    parser.add_argument("--until-idle", action="store_true", help="end when there is nothing to keep, and nobody asks")


def main(options: Options, log: Log) -> int:
    """Supervise until SIGTERM, which leaves the containers running, or SIGINT, which stops them; return 0."""
    from haconiwa_core.runtime.store import Store
    from haconiwa_supervision.control.residence import detached, reside

    store = Store()
    if options.detach:
        return detached(store, until_idle=options.until_idle)
    return reside(store, log, until_idle=options.until_idle)

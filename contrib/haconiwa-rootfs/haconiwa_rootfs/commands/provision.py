"""`haconiwa provision`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.log import Log

HELP = "run the steps that change roots, each in a container; those that have been run are not run again"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("file", metavar="FILE", help="definition, ending in .py or .toml")
    parser.add_argument("names", metavar="NAME", nargs="*", help="the roots of these containers of the file only")
    parser.add_argument(
        "--only",
        metavar="STEP",
        action="append",
        default=[],
        help="run this step again, though its result is there; may be given several times",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="show a progress bar instead of output")


def main(options: Options, log: Log) -> int:
    """Run the steps; return 0.

    Raises:
        HaconiwaError: one has failed, or cannot be run.
    """
    import os

    from haconiwa_rootfs.building import store_of
    from haconiwa_rootfs.commands.selecting import provision, roots_in

    del log
    for container, feature in roots_in(options.file, options.names):
        roots = store_of(feature, container.folder or os.getcwd())
        with roots.changing():
            provision(container, feature, roots, options.only, quiet=options.quiet)
    return 0

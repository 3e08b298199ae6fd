"""`haconiwa create`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.log import Log

HELP = "build the roots of a definition and run their steps; what is there is used as it is"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("file", metavar="FILE", help="definition, ending in .py or .toml")
    parser.add_argument("names", metavar="NAME", nargs="*", help="the roots of these containers of the file only")
    parser.add_argument("--force", action="store_true", help="build them again, though they are there")
    parser.add_argument("-q", "--quiet", action="store_true", help="show a progress bar instead of output")


def main(options: Options, log: Log) -> int:
    """Build; return 0.

    Raises:
        HaconiwaError: one cannot be built; nothing is left of it.
    """
    import os

    from haconiwa_rootfs.building import build_base, store_of
    from haconiwa_rootfs.commands.selecting import key_of, provision, roots_in, telling
    from haconiwa_rootfs.provisioning import keys_after

    del log
    for container, feature in roots_in(options.file, options.names):
        roots = store_of(feature, container.folder or os.getcwd())
        with roots.changing():
            key = key_of(container, feature)
            if options.force:
                for each in (key, *keys_after(key, feature.provision)):
                    roots.forget(each)
            if roots.layers(key) is None:
                with telling(quiet=options.quiet) as show:
                    build_base(container, feature, roots, show)
            provision(container, feature, roots, (), quiet=options.quiet)
    return 0

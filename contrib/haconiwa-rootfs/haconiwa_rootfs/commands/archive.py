"""`haconiwa archive`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.log import Log

HELP = "write a root as an archive of tar, or as a container image, which may go to a registry"

_DESTINATION = (
    "FILE.tar, .tar.gz, .tar.xz or .tar.zst; oci:DIRECTORY[:TAG]; or what skopeo copies images to, such as "
    "docker://NAME:TAG or docker-archive:FILE:NAME:TAG"
)


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("file", metavar="FILE", help="definition, ending in .py or .toml")
    parser.add_argument("destination", metavar="DESTINATION", help=_DESTINATION)
    parser.add_argument("--name", help="the root of this container, where the file has several")
    parser.add_argument(
        "--no-tls-verify", action="store_true", help="push to a registry without HTTPS, or with any certificate"
    )


def main(options: Options, log: Log) -> int:
    """Write; return 0.

    Raises:
        HaconiwaError: the root has not been created, or cannot be written there.
    """
    import os

    from haconiwa_core.errors import DefinitionError, HaconiwaError, Problem
    from haconiwa_rootfs.building import last_key, store_of
    from haconiwa_rootfs.commands.selecting import roots_in
    from haconiwa_rootfs.images.destinations import export

    found = list(roots_in(options.file, [options.name] if options.name else []))
    if len(found) != 1:
        names = ", ".join(container.name for container, _ in found)
        raise DefinitionError([Problem(f"{options.file} has several roots: {names}", hint="choose one with --name")])
    container, feature = found[0]
    folder = container.folder or os.getcwd()
    store = store_of(feature, folder)
    # Nobody removes the layers while they are read.
    with store.changing(), store.scratch() as scratch:
        root = store.find(last_key(feature, folder))
        if root is None:
            raise HaconiwaError(f"the root of {container.name} has not been created: haconiwa create {options.file}")
        if root.binds:
            log.warning(f"{', '.join(root.binds)} of the host are not in the archive")
        export(store.paths(root), root.config, options.destination, not options.no_tls_verify, scratch)
    return 0

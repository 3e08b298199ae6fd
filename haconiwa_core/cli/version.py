"""`haconiwa version`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.log import Log

HELP = "print the versions of the core and of the plugin interface"


def configure(parser: ArgumentParser) -> None:
    """Add nothing."""


def main(options: Options, log: Log) -> int:
    """Print the core's version and the plugin interface's; return 0."""
    from importlib.metadata import version

    from haconiwa_core.plugins.discovery import API

    print(f"haconiwa-core {version('haconiwa-core')}, plugin interface {API}")
    return 0

"""`haconiwa version`."""

from __future__ import annotations

from argparse import Namespace as Options
from importlib.metadata import version

from haconiwa_core.log import Log
from haconiwa_core.plugins.discovery import API


def main(options: Options, log: Log) -> int:
    """Print the core's version and the plugin interface's; return 0."""
    print(f"haconiwa-core {version('haconiwa-core')}, plugin interface {API}")
    return 0

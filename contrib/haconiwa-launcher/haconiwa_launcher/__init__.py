"""Where the launcher lies: a static program of a few kilobytes, used by haconiwa-core when it is installed."""

from pathlib import Path


def executable() -> Path:
    """Return the path of the launcher."""
    return Path(__file__).with_name("launcher")

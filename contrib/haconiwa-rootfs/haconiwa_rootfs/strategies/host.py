"""A root that consists of directories of the host, which are seen in it read-only."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.feature import option
from haconiwa_core.options import AbsolutePath

if TYPE_CHECKING:
    from haconiwa_rootfs.strategy import Target

_PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_EMPTY = ("dev", "etc", "home", "proc", "root", "run", "srv", "sys", "tmp", "var")


@dataclass(frozen=True)
class Options:
    """What the strategy `host` can do.

    Args:
        directories: of the host; where one is a symbolic link, the root gets an equal link.
        files: of the host that are copied when the root is created.
    """

    directories: Sequence[AbsolutePath] = option((), "of the host, seen read-only; those with its programs by default")
    files: Sequence[AbsolutePath] = option((), "of the host, copied when the root is created")


def host(directories: Sequence[str] = (), files: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Return the source of a root that consists of directories of the host.

    Args:
        directories: absolute paths; those with the host's programs by default.
        files: absolute paths of what is copied.

    Example: `Rootfs(host(files=["/etc/passwd"]))`.
    """
    given = {"directories": directories, "files": files}
    return {"host": {name: tuple(paths) for name, paths in given.items() if paths}}


def inputs(options: Options, folder: str) -> Mapping[str, str]:
    """Return which of the directories there are, and whether they are links."""
    del folder
    return {path: os.readlink(path) if os.path.islink(path) else "directory" for path in _directories(options)}


def build(options: Options, target: Target) -> None:
    """Make the directories on which those of the host are mounted, and the usual empty ones.

    Raises:
        HaconiwaError: a directory or a file is not there, or two are in each other's way.
    """
    root = target.directory
    try:
        for name in _EMPTY:
            (root / name).mkdir(mode=0o755)
        (root / "tmp").chmod(0o1777)
        (root / "root").chmod(0o700)
        target.binds = tuple(path for path in _directories(options) if _made(path, root))
        for path in options.files:
            copy = _below(root, path)
            copy.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            copy.write_bytes(Path(path).read_bytes())
            copy.chmod(0o644)
    except OSError as error:
        raise HaconiwaError(f"{error.filename}: {error.strerror}") from error


def _directories(options: Options) -> Sequence[str]:
    if not options.directories:
        return [path for path in _PROGRAMS if os.path.isdir(path)]
    given = [os.path.normpath(path) for path in options.directories]
    if missing := [path for path in given if not os.path.isdir(path)]:
        raise HaconiwaError(f"the host has no directory {', '.join(missing)}")
    return given


def _made(path: str, root: Path) -> bool:
    """Make a place for a directory of the host; return whether it has to be mounted there."""
    place = _below(root, path)
    if os.path.islink(path):
        place.symlink_to(os.readlink(path))
        return False
    place.mkdir(mode=0o755, parents=True, exist_ok=True)
    return True


def _below(root: Path, path: str) -> Path:
    return root / os.path.normpath(path).lstrip("/")

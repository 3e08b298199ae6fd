"""A root that a Python function of the host makes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.feature import option
from haconiwa_core.options import HostPath, Pattern
from haconiwa_core.trust import read_trusted

if TYPE_CHECKING:
    from haconiwa_rootfs.strategy import Target


@dataclass(frozen=True)
class Options:
    """What the strategy `python` can do.

    Args:
        file: with the function; as root, only root may be able to change it.
        function: of that file; it is called with a `haconiwa_rootfs.strategy.Target`, with the rights of the caller.
    """

    file: HostPath
    function: Annotated[str, Pattern(r"[A-Za-z_][A-Za-z0-9_]*", "the name of a function")] = option(
        "build", "of that file, called with a Target"
    )


def python(file: str, function: str = "build") -> dict[str, dict[str, Any]]:
    """Return the source of a root that a function makes.

    Args:
        file: that has it.
        function: its name.

    Example: `Rootfs(python("roots.py", "small"))`.
    """
    return {"python": {"file": file, "function": function}}


def inputs(options: Options, folder: str) -> Mapping[str, str]:
    """Return the digest of the file.

    Raises:
        DefinitionError: it cannot be read, or others can change it.
    """
    return {"file": hashlib.sha256(read_trusted(_path(options, folder))).hexdigest()}


def build(options: Options, target: Target) -> None:
    """Execute the file, and call its function.

    Raises:
        HaconiwaError: there is no such function, or it has failed.
    """
    path = _path(options, target.folder)
    names: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    exec(compile(read_trusted(path), path, "exec"), names)
    function = names.get(options.function)
    if not callable(function):
        raise HaconiwaError(f"{path} has no function {options.function}")
    try:
        function(target)
    except OSError as error:
        raise HaconiwaError(f"{options.function} of {path} has failed: {error}") from error


def _path(options: Options, folder: str) -> Path:
    return Path(os.path.join(folder, options.file))

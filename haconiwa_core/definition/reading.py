"""Read the containers of a definition file."""

from __future__ import annotations

from pathlib import Path

from haconiwa_core.container import Container
from haconiwa_core.errors import HaconiwaError
from haconiwa_core.plugins.loading import Plugins


def read(path: str, plugins: Plugins) -> list[Container]:
    """Return the containers that a file defines.

    Args:
        path: ending in .py or .toml.
        plugins: where the features of a TOML file come from.

    Raises:
        HaconiwaError: the file cannot be read, or is not to be trusted.
        DefinitionError: it is no definition; all problems are in it.
    """
    file = Path(path)
    if file.suffix == ".toml":
        from haconiwa_core.definition.toml import read_toml

        return [read_toml(file, plugins)]
    if file.suffix == ".py":
        from haconiwa_core.definition.python import read_python

        return read_python(file)
    raise HaconiwaError(f"{path}: a definition's name ends in .py or .toml")

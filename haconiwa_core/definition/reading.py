"""Read the containers of a definition file."""

from __future__ import annotations

from pathlib import Path

from haconiwa_core.container import Container
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.plugins.policy import permitted


def read(path: str, plugins: Plugins) -> list[Container]:
    """Return the containers that a file defines, each with all that is wrong in it (`Container.problems`).

    Args:
        path: ending in .py or .toml.
        plugins: where the features of a TOML file come from.

    Raises:
        DefinitionError: the file cannot be read or trusted, the policy does not let the user run it, or it
            defines nothing.
    """
    file = permitted(Path(path))
    if file.suffix == ".toml":
        from haconiwa_core.definition.toml import read_toml

        return [read_toml(file, plugins)]
    if file.suffix == ".py":
        from haconiwa_core.definition.python import read_python

        return read_python(file)
    raise DefinitionError([Problem("a definition's name ends in .py or .toml", file=path)])

"""Definitions as records keep them, for processes that are attached later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haconiwa_core.container import Container
from haconiwa_core.definition.sections import build_section
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.feature import Feature
from haconiwa_core.plugins.loading import Plugins


def read_stored(data: Mapping[str, Any], plugins: Plugins) -> Container:
    """Return the container whose `to_json` has given the data.

    Raises:
        DefinitionError: a plugin is missing by now, or no longer takes what was given.
    """
    features: list[Feature] = []
    problems: list[Problem] = []
    for section, values in data["features"].items():
        feature, found = build_section(section, values, plugins)
        problems += found
        if feature:
            features.append(feature)
    if problems:
        raise DefinitionError(problems)
    return Container(**{**data, "features": features})

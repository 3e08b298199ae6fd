"""Make a feature from a section's name and its values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haconiwa_core.errors import PluginError, Problem
from haconiwa_core.feature import Feature
from haconiwa_core.options import build
from haconiwa_core.plugins.loading import Plugins


def build_section(name: str, values: Mapping[str, Any], plugins: Plugins) -> tuple[Feature | None, list[Problem]]:
    """Return the feature of a section, or None with the problems that were found."""
    try:
        cls = plugins.feature_class(name)
    except PluginError as error:
        return None, [Problem(str(error), section=name)]
    feature, complaints = build(cls, values)
    return feature, [
        Problem(complaint.text, section=name, key=complaint.key, hint=complaint.hint) for complaint in complaints
    ]

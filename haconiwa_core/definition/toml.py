"""Definitions that are TOML: data, for input that must not be code."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from haconiwa_core.container import OWN_KEYS, Container
from haconiwa_core.definition.sections import build_section
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.feature import Feature, Source
from haconiwa_core.lines import Lines
from haconiwa_core.options import suggestion
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.trust import read_trusted


def read_toml(file: Path, plugins: Plugins) -> Container:
    """Return the container that a TOML file defines, with all that is wrong in it (`Container.problems`).

    Raises:
        DefinitionError: the file cannot be read or trusted, or is no TOML.
    """
    try:
        text = read_trusted(file).decode()
        data = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise DefinitionError([Problem(f"no valid TOML: {error}", file=str(file))]) from error
    lines = Lines(text)
    own = {key: value for key, value in data.items() if key in OWN_KEYS}
    problems: list[Problem] = []
    features: list[Feature] = []
    for key, value in data.items():
        if key in OWN_KEYS:
            continue
        if not isinstance(value, Mapping):
            line = lines.find("", key)
            problems.append(Problem(f'unknown key "{key}"', file=str(file), line=line, hint=suggestion(key, OWN_KEYS)))
            continue
        feature, found = build_section(key, value, plugins)
        problems += [
            Problem(
                problem.text,
                section=key,
                key=problem.key,
                file=str(file),
                line=lines.find(key, problem.key),
                hint=problem.hint,
            )
            for problem in found
        ]
        if feature:
            features.append(feature.at(Source(str(file), lines.find(key, ""))))
    own.setdefault("name", file.stem)
    container = _container(own, features, file, lines)
    problems += [
        Problem(found.text, found.section, found.key, str(file), lines.find(found.section, found.key), found.hint)
        for found in container.problems()
    ]
    return container.noting(problems)


def _container(own: Mapping[str, Any], features: list[Feature], file: Path, lines: Lines) -> Container:
    command = own.get("command", ())
    # Anything but a list is kept as it is, for `problems` to name.
    shaped = command if isinstance(command, (str, list, tuple)) else (command,)
    folder = str(file.resolve().parent)
    container = Container(**{**own, "command": shaped}, features=features, folder=folder)
    return container.at(Source(str(file), lines.find("", "name")))

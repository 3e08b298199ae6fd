"""Definitions that are Python programs."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from haconiwa_core.container import Container
from haconiwa_core.definition.helpers import modules_beside
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.trust import read_trusted

_EXPLICIT = "containers"


def read_python(file: Path) -> list[Container]:
    """Run a definition and return its containers, in the order in which it defines them.

    They are the list `containers` of the program, or else all containers that its global names
    hold, except names that begin with "_".

    Raises:
        DefinitionError: the file cannot be read or is not to be trusted, the program fails, or
            it defines no container.
    """
    names = execute(file)
    folder = str(file.resolve().parent)
    found = _containers(file, names)
    _refuse_duplicates(file, found)
    return [replace(container, folder=container.folder or folder).at(container.place) for container in found]


def execute(file: Path) -> dict[str, Any]:
    """Run a program and return its global names.

    Raises:
        DefinitionError: the file cannot be read or is not to be trusted, or the program fails.
    """
    code = read_trusted(file)
    names: dict[str, Any] = {"__name__": "haconiwa_definition", "__file__": str(file)}
    try:
        with modules_beside(file):
            exec(compile(code, str(file), "exec"), names)
    except DefinitionError:
        raise
    except (Exception, SystemExit) as error:
        raise DefinitionError([_failure(file, error)]) from error
    return names


def _failure(file: Path, error: BaseException) -> Problem:
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return Problem(f"syntax error: {error.msg}", file=str(file), line=error.lineno or 0)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    hint = ""
    if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("haconiwa_"):
        hint = f"pip install {(error.name or '').partition('.')[0].replace('_', '-')}"
    line = (lines[-1] or 0) if lines else 0
    return Problem(f"{type(error).__name__}: {error}", file=str(file), line=line, hint=hint)


def _containers(file: Path, names: dict[str, Any]) -> list[Container]:
    explicit = names.get(_EXPLICIT)
    if explicit is not None:
        if not isinstance(explicit, Sequence) or not all(isinstance(item, Container) for item in explicit):
            raise DefinitionError([Problem(f"`{_EXPLICIT}` must be a list of containers", file=str(file))])
        found = list(explicit)
    else:
        public = (value for name, value in names.items() if not name.startswith("_"))
        found = list({id(value): value for value in public if isinstance(value, Container)}.values())
    if not found:
        raise DefinitionError([Problem("defines no container", file=str(file), hint='add Container("NAME", ...)')])
    return found


def _refuse_duplicates(file: Path, containers: Sequence[Container]) -> None:
    seen: set[str] = set()
    problems = []
    for container in containers:
        if container.name in seen:
            problems.append(
                Problem(f'two containers are named "{container.name}"', file=str(file), line=container.place.line)
            )
        seen.add(container.name)
    if problems:
        raise DefinitionError(problems)

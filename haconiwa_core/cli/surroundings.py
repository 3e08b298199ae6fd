"""The environment and the working directory that a command line gives to a container."""

from __future__ import annotations

import os
from argparse import Namespace as Options
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from haconiwa_core.container import Container
from haconiwa_core.errors import DefinitionError, Problem

_PLACE = "command line"


def surrounded(container: Container, options: Options) -> Container:
    """Return a container with what the options of `arguments.add_surroundings` say, and what is wrong in that.

    Raises:
        DefinitionError: a file of variables cannot be read.
    """
    workdir = container.workdir if options.workdir is None else options.workdir
    env = {**container.env, **dict(_variables(options))}
    changed = replace(container, env=env, workdir=workdir).at(container.place)
    before = container.problems()
    wrong = [problem._replace(file=_PLACE, line=0) for problem in changed.problems() if problem not in before]
    return changed.noting(wrong)


def _variables(options: Options) -> Iterator[tuple[str, str]]:
    problems = []
    for file in options.env_file:
        try:
            lines = Path(file).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            problems.append(Problem(f"--env-file {file}: cannot be read: {error}", file=_PLACE))
        else:
            stripped = (line.lstrip() for line in lines)
            yield from _assigned(line for line in stripped if line and not line.startswith("#"))
    if problems:
        raise DefinitionError(problems)
    yield from _assigned(options.variables)


def _assigned(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        name, equals, value = text.partition("=")
        if equals:
            yield name, value
        elif name in os.environ:
            yield name, os.environ[name]

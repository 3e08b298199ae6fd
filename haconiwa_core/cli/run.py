"""`haconiwa run`."""

from __future__ import annotations

from argparse import Namespace as Options

from haconiwa_core.cli.selection import selected
from haconiwa_core.errors import DefinitionError, HaconiwaError, Problem
from haconiwa_core.host import gather
from haconiwa_core.log import Log
from haconiwa_core.planning import plan
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.foreground import run_all
from haconiwa_core.runtime.record import Store


def main(options: Options, log: Log) -> int:
    """Run containers in the foreground; return the first exit status that is not 0, else 0."""
    plugins = Plugins()
    containers = selected(options, plugins)
    if options.name and len(containers) > 1:
        raise HaconiwaError("--name can name one container only; say which one to run")
    host = gather()
    problems: list[Problem] = []
    plans = []
    for container in containers:
        try:
            plans.append(plan(container, host, plugins))
        except DefinitionError as error:
            problems += error.problems
    if problems:
        raise DefinitionError(problems)
    return run_all(plans, Store(), name=options.name, remove=options.rm, log=log)

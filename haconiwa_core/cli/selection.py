"""Which containers a command line means."""

from __future__ import annotations

import os
from argparse import Namespace as Options
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from haconiwa_core.container import Container
from haconiwa_core.definition.overrides import Flagged, Overrides
from haconiwa_core.definition.reading import read
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.feature import Source
from haconiwa_core.host import HostFacts, gather
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.plugins.policy import check_command_line


def selected(options: Options, plugins: Plugins) -> list[Container]:
    """Return the containers of FILE, or the one that the options describe, with all changes applied.

    Raises:
        DefinitionError: with all problems.
    """
    overrides = Overrides(options.enabled, options.disabled, options.settings, _flagged(options))
    surroundings = options.variables or options.env_file or options.workdir is not None
    if options.command or surroundings or any(overrides):
        check_command_line()
    if options.file:
        containers = _named(read(options.file, plugins), options)
        if options.command:
            containers = [replace(item, command=options.command).at(item.place) for item in containers]
    elif options.command:
        name = Path(options.command[0]).name
        container = Container(name if name.isalnum() else "container", options.command, folder=os.getcwd())
        containers = [container.at(Source("command line", 0))]
    else:
        raise DefinitionError([Problem("nothing to run", hint="give a definition FILE, or a command after --")])
    if surroundings:
        from haconiwa_core.cli.surroundings import surrounded

        containers = [surrounded(container, options) for container in containers]
    if options.tty:
        containers = [replace(container, terminal=True).at(container.place) for container in containers]
    return [overrides.apply(container, plugins) for container in containers]


def _flagged(options: Options) -> Sequence[Flagged]:
    if not options.flags:
        return ()
    from haconiwa_core.cli.flags import changes

    return changes(options.flags)


def host_facts(file: str | None) -> HostFacts:
    """Return the facts of the running host, or those in a file."""
    if file is None:
        return gather()
    try:
        return HostFacts.from_json(Path(file).read_text("utf-8"), file)
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError([Problem(f"cannot be read: {error}", file=file)]) from error


def _named(containers: list[Container], options: Options) -> list[Container]:
    if not options.names:
        return containers
    by_name = {container.name: container for container in containers}
    unknown = [name for name in options.names if name not in by_name]
    if unknown:
        known = ", ".join(by_name)
        raise DefinitionError(
            [
                Problem(f"defines no container named {name}", file=options.file, hint=f"it has {known}")
                for name in unknown
            ]
        )
    return [by_name[name] for name in dict.fromkeys(options.names)]

"""Plans of the containers that are started again and again: made once for each definition."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from haconiwa_core.container import Container
from haconiwa_core.definition.stored import read_stored
from haconiwa_core.errors import DefinitionError
from haconiwa_core.host import HostFacts, gather
from haconiwa_core.planning.plan import Plan
from haconiwa_core.planning.planner import plan
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.record import Record
from haconiwa_supervision.readiness.notify import INSIDE, environment_of
from haconiwa_supervision.transport import Definition, definition_from_json, kept
from haconiwa_supervision.watching.pressure import problems_of

_KEPT = 256

Status = tuple[int, int, int, int]


class Plans:
    """Definitions and their plans. Safe from several threads; plugins are loaded in one at a time.

    Attributes:
        plugins: where the features come from.
        lock: held while plugins are used.
    """

    def __init__(self, plugins: Plugins) -> None:
        self.plugins = plugins
        self.lock = Lock()
        self._definitions: dict[str, Definition] = {}
        self._plans: dict[Definition, tuple[HostFacts, list[Status | None], Plan]] = {}

    def definition(self, data: Mapping[str, Any]) -> Definition:
        """Return the definition that has travelled: the same object for the same data.

        Raises:
            HaconiwaError: as `definition_from_json`.
        """
        text = json.dumps(data, sort_keys=True)
        with self.lock:
            known = self._definitions.pop(text, None) or definition_from_json(data, self.plugins)
            self._definitions[text] = known
            if len(self._definitions) > _KEPT:
                self._plans.pop(self._definitions.pop(next(iter(self._definitions))), None)
        return known

    def plan(self, definition: Definition, directory: Path) -> Plan:
        """Return the plan of a start: the former one where neither the host nor a file that it has read has changed.

        Args:
            definition: of the container.
            directory: the instance's own.

        Raises:
            DefinitionError: it cannot be planned.
        """
        host = gather()
        with self.lock:
            if known := self._plans.get(definition):
                former, statuses, made = known
                if former == host and statuses == [_status(item.path) for item in made.inputs]:
                    return made
            made = plan(definition.container, host, self.plugins)
            if problems := list(problems_of(made)):
                raise DefinitionError(problems)
            if added := environment_of(made, directory):
                container = definition.container
                container = replace(container, env={**container.env, **added}).at(container.place)
                made = plan(container, host, self.plugins)
            if INSIDE in added.values() or not added:
                self._plans[definition] = (host, [_status(item.path) for item in made.inputs], made)
        return made

    def in_force(self, record: Record) -> Container:
        """Return the definition of a container that runs, with what was changed since its start.

        Raises:
            DefinitionError: a plugin is missing by now.
        """
        with self.lock:
            return kept(read_stored(record.container, self.plugins))

    def attach(self, container: Container, running: Container) -> Plan:
        """Return the plan of a process that is put into a running container.

        Args:
            container: with the process's own command.
            running: the definition that is in force.

        Raises:
            DefinitionError: it cannot be planned.
        """
        host = gather()
        with self.lock:
            return plan(container, host, self.plugins, "attach", running=running)


def _status(path: str) -> Status | None:
    try:
        found = os.stat(path)
    except OSError:
        return None  # The plan is made anew, and says what is wrong with the file.
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

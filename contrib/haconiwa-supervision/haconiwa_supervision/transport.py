"""How definitions travel from a client to the supervisor: as JSON, with the lines they stand on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from haconiwa_core.container import Container
from haconiwa_core.definition.stored import read_stored
from haconiwa_core.errors import DefinitionError, HaconiwaError
from haconiwa_core.feature import Source
from haconiwa_core.hooks.hook import Hook
from haconiwa_core.plugins.loading import Plugins
from haconiwa_supervision import Supervision


@dataclass(frozen=True, eq=False)
class Definition:
    """A container's definition as the supervisor has it: one object for all instances of it.

    Attributes:
        container: without the functions of its hooks, which only a worker has.
        file: from which it was read, "" for one of a program.
        data: as it has travelled.
    """

    container: Container
    file: str
    data: Mapping[str, Any]


def definition_to_json(container: Container, file: str) -> dict[str, Any]:
    """Return a container as it travels.

    Raises:
        DefinitionError: with all that is wrong with it.
    """
    if problems := container.problems():
        raise DefinitionError(problems)
    places = {feature.section: list(feature.place) for feature in container.features}
    return {
        "container": container.to_json(),
        "hooks": [hook.to_json() for hook in container.hooks],
        "places": {"": list(container.place), **places},
        "file": file,
    }


def definition_from_json(data: Mapping[str, Any], plugins: Plugins) -> Definition:
    """Return the definition whose `definition_to_json` has given the data.

    Raises:
        DefinitionError: a plugin is missing here, or does not take what was given.
        HaconiwaError: it is no such data.
    """
    try:
        container = read_stored(data["container"], plugins)
        places = {section: Source(str(file), int(line)) for section, (file, line) in data["places"].items()}
        for feature in container.features:
            feature.at(places.get(feature.section, feature.place))
        hooks = [Hook.from_json(item) for item in data["hooks"]]
        return Definition(kept(replace(container, hooks=hooks).at(places[""])), str(data["file"]), data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HaconiwaError(f"no definition that this version understands: {error!r}") from error


def kept(container: Container) -> Container:
    """Return a container as the supervisor keeps it: its section `supervision` is always there."""
    return container if container.feature(Supervision.section) else container + Supervision().at(container.place)

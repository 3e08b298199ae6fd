"""The services that a front starts: containers with a section `fastcontainer`, read from definition files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from haconiwa_core.container import Container
from haconiwa_core.definition.reading import read
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.facts import Namespace
from haconiwa_core.host import HostFacts
from haconiwa_core.linux.constants import CLONE_NEWNET
from haconiwa_core.planning.planner import plan
from haconiwa_core.plugins.loading import Plugins
from haconiwa_fastcontainer import FastContainer


@dataclass(frozen=True)
class Definition:
    """What a service is.

    Attributes:
        container: of each instance, as it was written.
        options: its section `fastcontainer`.
        file: it was read from; "" for one of a program.
        generation: changes with the definition, and with what its plan has read, such as the root's key.
        inputs: files that its plan was made from.
        in_host_network: whether its instances have the network namespace of their host.
    """

    container: Container
    options: FastContainer
    file: str
    generation: str
    inputs: tuple[str, ...] = ()
    in_host_network: bool = False

    @property
    def name(self) -> str:
        """Of the service."""
        return self.container.name

    def instance(self, front: str, port: int) -> Container:
        """Return the container of an instance.

        Args:
            front: path of the control socket.
            port: on which it is to listen.
        """
        options = replace(self.options, front=front, port=port).at(self.options.place)
        container = self.container + options
        env = {**container.env, "PORT": str(port)}
        return replace(container, env=env).at(self.container.place).detached()


def read_services(files: Sequence[str], plugins: Plugins, host: HostFacts) -> list[Definition]:
    """Return the services that files define; containers without the section are left out.

    Each is planned, so that all that is wrong with all of them is told at once, before anything is started.

    Args:
        files: definitions.
        plugins: where features come from.
        host: facts to plan with.

    Raises:
        DefinitionError: with all problems.
    """
    found: list[Definition] = []
    problems: list[Problem] = []
    for file in files:
        try:
            containers = read(file, plugins)
        except DefinitionError as error:
            problems += error.problems
            continue
        for container in containers:
            try:
                found += _of(container, file, plugins, host)
            except DefinitionError as error:
                problems += error.problems
    problems += _clashes(found)
    if not found and not problems:
        problems.append(Problem("no container has a section fastcontainer", file=files[0] if files else ""))
    if problems:
        raise DefinitionError(problems)
    return found


def service_of(container: Container, plugins: Plugins, host: HostFacts, file: str = "") -> Definition:
    """Return the service that a container of a program defines.

    Raises:
        DefinitionError: it has no section `fastcontainer`, or cannot be planned.
    """
    for definition in _of(container, file, plugins, host):
        return definition
    raise DefinitionError([Problem(f"the container {container.name} has no section fastcontainer")])


def _of(container: Container, file: str, plugins: Plugins, host: HostFacts) -> Iterator[Definition]:
    if problems := container.problems():
        raise DefinitionError(problems)
    options = container.feature(FastContainer.section)
    if not isinstance(options, FastContainer):
        return
    made = plan(container, host, plugins)
    seen = [container.to_json(), [[item.path, item.digest] for item in made.inputs]]
    generation = hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:16]
    in_host_network = not any(fact.flag == CLONE_NEWNET for fact in made.facts.all(Namespace))
    inputs = tuple(item.path for item in made.inputs)
    yield Definition(container, options, file, generation, inputs, in_host_network)


def _clashes(found: Sequence[Definition]) -> Iterator[Problem]:
    names: dict[str, Definition] = {}
    claims: dict[str, Definition] = {}
    for item in found:
        file, line = item.options.place
        if names.setdefault(item.name, item) is not item:
            yield Problem(f"two services are named {item.name}", file=file, line=line)
        for key, values in (("hosts", item.options.hosts), ("listen", item.options.listen)):
            for value in values:
                if (other := claims.setdefault(value, item)) is not item:
                    yield Problem(f"{value} is {other.name}'s already", "fastcontainer", key, file, line)

"""At which address nginx, on the same host, reaches an instance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from haconiwa_core.errors import HaconiwaError, Problem
from haconiwa_core.plugins.loading import Plugins
from haconiwa_fastcontainer.services import Definition

if TYPE_CHECKING:
    from haconiwa_fastcontainer.fleet.fleet import Fleet
    from haconiwa_fastcontainer.fleet.instance import Instance
    from haconiwa_fastcontainer.fleet.service import Service

_NETWORK = "network"
"""The section that gives a container an address which its host reaches."""


def unreachable(definitions: Sequence[Definition]) -> Iterator[Problem]:
    """Yield the services whose instances nginx could not reach."""
    for item in definitions:
        if item.options.protocol == "http" and not item.in_host_network and not item.container.feature(_NETWORK):
            file, line = item.options.place
            yield Problem(
                f"nginx cannot reach {item.name}: it has a network namespace of its own, and no address",
                item.options.section,
                file=file,
                line=line,
                hint="add the section network, or leave out ns-net and write port = 0",
            )


class Addresses:
    """The addresses of instances, by name.

    Args:
        fleet: with the instances.
        plugins: which know what a running container was given.
    """

    def __init__(self, fleet: Fleet, plugins: Plugins) -> None:
        self._fleet = fleet
        self._plugins = plugins
        self._known: dict[str, str] = {}

    async def of(self, service: Service, instance: Instance) -> str:
        """Return the address of an instance; in brackets for IPv6.

        Raises:
            HaconiwaError: it has none.
        """
        if instance.row.address or service.definition.in_host_network:
            return _bracketed(instance.row.address or "127.0.0.1")
        if instance.name not in self._known:
            for name in self._known.keys() - self._names():
                del self._known[name]
            self._known[instance.name] = await self._fleet.work(partial(self._given, service, instance.name))
        return self._known[instance.name]

    def _names(self) -> set[str]:
        return {name for service in self._fleet.services.values() for name in service.instances}

    def _given(self, service: Service, name: str) -> str:
        section = service.definition.container.feature(_NETWORK)
        status = self._plugins.status(section, name) if section else None
        addresses = status.get("addresses") if status else None
        if not isinstance(addresses, list) or not addresses:
            raise HaconiwaError(f"{name} has no address")
        return _bracketed(str(addresses[0]).partition("/")[0])


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address

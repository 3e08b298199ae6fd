"""The front's process: its services, its sockets, and its life."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from haconiwa_supervision.control.endpoint import Endpoint
from haconiwa_supervision.control.residence import make_private
from haconiwa_supervision.control.server import Server

from haconiwa_core.errors import DefinitionError
from haconiwa_core.host import gather
from haconiwa_core.log import Log
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.record import boot_id
from haconiwa_core.runtime.store import Store
from haconiwa_fastcontainer.control.requests import Requests
from haconiwa_fastcontainer.fleet.containers import Containers
from haconiwa_fastcontainer.fleet.fleet import Fleet, host_name
from haconiwa_fastcontainer.front import tcp
from haconiwa_fastcontainer.front.http.server import HttpFront
from haconiwa_fastcontainer.front.listening import Listener, Serve
from haconiwa_fastcontainer.front.nginx import GRACE
from haconiwa_fastcontainer.front.nginx.endpoint import Endpoint as NginxEndpoint
from haconiwa_fastcontainer.front.nginx.locating import Addresses, unreachable
from haconiwa_fastcontainer.front.routing import Routes, read_route
from haconiwa_fastcontainer.held import Held
from haconiwa_fastcontainer.journal import Journal
from haconiwa_fastcontainer.keeper import FOLDER_NAME
from haconiwa_fastcontainer.services import Definition, read_services
from haconiwa_fastcontainer.state import Host, state_of

_CONNECTIONS = 4096
_LAST_ANSWERS = 1.0


@dataclass(frozen=True)
class Settings:
    """How a front serves.

    Attributes:
        files: definitions with the services.
        store: of the containers.
        http: addresses for HTTP.
        state: URL; by default a file in the front's folder.
        host: name of this host.
        address: at which other hosts reach instances here.
        most: instances that this host takes.
        nginx: address for nginx's questions; "" for none.
        metrics: address for Prometheus; "" for none.
        route: the function that finds the service of a request, FILE.py:FUNCTION; by default host names do.
        drain: seconds that requests get to end when the front ends.
    """

    files: Sequence[str]
    store: Store
    http: Sequence[str] = ()
    state: str = ""
    host: str = field(default_factory=host_name)
    address: str = ""
    most: int = 1000
    nginx: str = ""
    metrics: str = ""
    route: str = ""
    drain: float = 30.0

    @property
    def folder(self) -> Path:
        """Of the front's own files."""
        return self.store.directory / FOLDER_NAME


async def serve(settings: Settings, held: Held, log: Log) -> None:
    """Be the front until SIGTERM or SIGINT.

    Args:
        settings: how.
        held: sockets that listen already; those that are opened are held from now on.
        log: for messages.

    Raises:
        DefinitionError: with all that is wrong with the services.
        HaconiwaError: the state cannot be opened.
        OSError: nobody can listen on an address.
    """
    plugins = Plugins()
    definitions = read_services(settings.files, plugins, gather())
    if settings.nginx and (problems := list(unreachable(definitions))):
        raise DefinitionError(problems)
    route = read_route(settings.route) if settings.route else None
    for folder in (settings.store.directory, settings.folder):
        make_private(folder)
    control = settings.folder / "control"
    state = state_of(settings.state or f"sqlite:{settings.folder / 'state'}")
    host = Host(settings.host, 0, settings.most, 0, 0.0, settings.address, _holder(settings.folder))
    containers = Containers(settings.store, plugins)
    journal = Journal(sys.stdout)
    fleet = Fleet(definitions, containers, state, host, plugins, control=str(control), journal=journal)
    if settings.nginx:
        fleet.grace = max(fleet.grace, GRACE)
    routes = Routes(fleet, route)
    nginx = NginxEndpoint(routes, Addresses(fleet, plugins).of)
    sockets = {address: held.socket(address, listening) for address in _addresses(settings, definitions)}
    endpoint = Endpoint(settings.folder, control, replace=True)
    try:
        await fleet.open()
        server = Server(endpoint, Requests(fleet, held).handlers(), lambda error: log.error(str(error)))
        http = HttpFront(routes, lambda what, error: log.error(f"{what}: {error!r}"))
        listeners = _listeners(settings, fleet, http, nginx, sockets, log)
        journal.tell("serving", "", addresses=sorted(sockets), pid=os.getpid())
        # Without a keeper nobody would take its place, and the one who ended that wants it to end.
        drain = settings.drain if await _until_told(held) else 0.0
        http.end()
        await asyncio.gather(*(listener.close(drain) for listener in listeners))
        http.close()
        server.refuse()
        await server.close(_LAST_ANSWERS)
        await fleet.close()
    finally:
        endpoint.close()


def _addresses(settings: Settings, definitions: Sequence[Definition]) -> list[str]:
    own = [*settings.http, *(address for address in (settings.nginx, settings.metrics) if address)]
    return [*own, *(address for item in definitions for address in item.options.listen)]


def _listeners(
    settings: Settings,
    fleet: Fleet,
    http: HttpFront,
    nginx: NginxEndpoint,
    sockets: Mapping[str, socket.socket],
    log: Log,
) -> list[Listener]:
    def fault(error: BaseException) -> None:
        log.error(f"a connection: {error!r}")

    served: list[tuple[str, Serve]] = [(address, http.serve) for address in settings.http]
    if settings.nginx:
        served.append((settings.nginx, nginx.serve))
    if settings.metrics:
        from haconiwa_fastcontainer.metrics import Metrics

        served.append((settings.metrics, Metrics(fleet).serve))
    for service in fleet.services.values():
        served += [(address, partial(tcp.serve, service)) for address in service.definition.options.listen]
    return [Listener(sockets[address], serve, most=_CONNECTIONS, fault=fault) for address, serve in served]


def _holder(folder: Path) -> str:
    """Return the same for all fronts that follow each other in a folder, and for no others."""
    found = folder.stat()
    return f"{boot_id()}:{found.st_dev}:{found.st_ino}"


async def _until_told(held: Held) -> bool:
    """Wait until this front is to end; return whether it may finish what it has."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[bool] = loop.create_future()

    def tell(may_finish: bool) -> None:
        if not told.done():
            told.set_result(may_finish)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, tell, True)
    held.tell_ready(lambda: tell(False))
    return await told


def listening(address: str) -> socket.socket:
    """Return a socket that listens on an address, such as "127.0.0.1:80" or "[::1]:80".

    Raises:
        OSError: nobody can listen there.
    """
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind((host.strip("[]"), int(port)))
    opened.listen(4096)
    return opened

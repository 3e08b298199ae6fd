"""The network of a live process: its addresses, its gateways, and what it may reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from haconiwa_core.errors import RecordError
from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared, lines_of, unknown
from haconiwa_core.linux.constants import CLONE_NEWNET
from haconiwa_core.linux.host import start_time
from haconiwa_core.runtime.store import Store
from haconiwa_network import Network
from haconiwa_network.addresses import noted_leases, noted_link
from haconiwa_network.reading import addresses, destinations, gateways
from haconiwa_network.rules.ports import Destination, destination

_ADDRESSES, _GATEWAYS, _POLICY = "network addresses", "network gateways", "network policy"
_EVERYTHING, _NOTHING = "everything", "nothing"


def rows(feature: Network | None, confined: Confined) -> Iterator[Row]:
    """Yield the addresses and the gateways inside, and what the host's rules let it reach; none without the section."""
    if feature is None:
        return
    policy = "" if feature.to is None else _listed(tuple(map(destination, feature.to)))
    directory = _directory_of(confined.pid)
    if directory is None:
        for what, asked in ((_ADDRESSES, "as leased"), (_GATEWAYS, "as leased"), (_POLICY, policy)):
            yield unknown(Network.section, what, asked, "there is no note of what it was given")
        return
    leases = noted_leases(directory)
    leased = lines_of(f"{lease.address}/{lease.prefix}" for lease in leases)
    yield _row(_ADDRESSES, leased, confined, partial(addresses, feature.interface), "RTM_GETADDR in its namespace")
    routes = lines_of(lease.gateway for lease in leases if lease.gateway)
    yield _row(_GATEWAYS, routes, confined, gateways, "RTM_GETROUTE in its namespace")
    if feature.kind == "bridge":
        link = noted_link(directory)
        verified = f"the sets of rules for {link}"
        yield _row(_POLICY, policy, confined.host, lambda: [_listed(destinations(link))], verified)


def _row(what: str, asked: str, where: Confined, read: Callable[[], Sequence[str]], verified: str) -> Row:
    try:
        in_force = lines_of(where.inside(read, "net", CLONE_NEWNET))
    except OSError as error:
        where.check()
        return unknown(Network.section, what, asked, f"{verified}: {error.strerror}")
    return compared(Network.section, what, asked, in_force, "", verified)


def _directory_of(pid: int) -> str | None:
    """Return the directory of the instance whose first process it is."""
    store = Store()
    for name in store.names():
        try:
            child = store.read(name).child
        except RecordError:
            # Another's may be written, or removed, at this moment.
            continue
        if child and child.pid == pid and child.started == start_time(pid):
            return str(store.directory / name)
    return None


def _listed(allowed: Sequence[Destination] | None) -> str:
    if allowed is None:
        return _EVERYTHING
    return lines_of(sorted(map(_text, allowed))) if allowed else _NOTHING


def _text(item: Destination) -> str:
    port = f":{item.port}" if item.port else ""
    protocol = f"/{item.protocol}" if item.protocol else ""
    return f"{item.network}{port}{protocol}"

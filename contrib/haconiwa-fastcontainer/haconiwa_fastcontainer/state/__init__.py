"""What all fronts know in common: hosts, and the instances of services. Kinds of it are entry points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

from haconiwa_core.errors import HaconiwaError

GROUP = "haconiwa.v1.states"

Phase = Literal["asked", "starting", "warm", "running", "draining"]
"""An instance that is asked for is started by the front of its host; only a running one gets new requests."""

LEASE = 5.0
"""Seconds after its last report from which a host, with all that runs there, counts as gone."""


class StateError(HaconiwaError):
    """The state cannot be reached, or refuses."""


class Row(NamedTuple):
    """An instance.

    Attributes:
        name: of the container, unique among all hosts.
        service: the definition's name.
        host: where it runs.
        phase: what it does.
        generation: of the definition and the root that it was started with.
        address: at which all fronts reach it; "" where only that of its host does.
        port: TCP port.
        since: seconds since the epoch, of the beginning of the phase; of two rows of an instance the later one holds.
        owner: of one that is started: pid and start time of the front that does it, as "PID:TICKS".
    """

    name: str
    service: str
    host: str
    phase: Phase
    generation: str
    address: str
    port: int
    since: float
    owner: str = ""


class Host(NamedTuple):
    """A host as its front reports it.

    Attributes:
        name: of the host.
        instances: that run there.
        most: instances that it takes.
        memory: bytes that are available for more.
        load: share of its processors that is in use, 0 to 1.
        address: at which other hosts reach instances in this one's own network namespace; "" for none.
        holder: who reports it: fronts that follow each other on one host are one holder of its lease.
    """

    name: str
    instances: int
    most: int
    memory: int
    load: float
    address: str = ""
    holder: str = ""


class State(Protocol):
    """Hosts and instances. Every method raises StateError where the state cannot be reached.

    What one front has changed, `watch` tells to all, so that they need not ask.

    Attributes:
        grace: seconds until all fronts have noticed a change.
    """

    @property
    def grace(self) -> float:
        """See the class."""

    async def open(self, host: Host) -> None:
        """Connect, and report the host for the first time.

        Raises:
            StateError: also where another holder has reported a host of this name, whose lease has not run out.
        """

    async def close(self) -> None:
        """Let go of it. The host is full from now on; its lease and its instances stay for the front that follows."""

    def watch(self, changed: Callable[[str], None]) -> None:
        """Have a function called with the name of each service whose instances have changed, also by ourselves.

        With "" anything may have changed.
        """

    async def report(self, host: Host) -> None:
        """Renew the lease of the host, and forget hosts whose leases have run out, with their instances."""

    async def hosts(self) -> list[Host]:
        """Return the hosts whose leases have not run out, with the instances that they have now."""

    async def rows(self, service: str = "") -> list[Row]:
        """Return the instances of a service, or of all, on hosts whose leases have not run out."""

    async def reserve(self, row: Row, fewer_than: int) -> bool:
        """Add an instance if its service has fewer, and its host has room; return whether it was added.

        Two fronts that ask at once get what they would have got one after the other. Those that drain do not count
        for the service, nor do those of hosts whose leases have run out: these are removed.

        Args:
            row: the new instance.
            fewer_than: how many there may be at most, with this one.
        """

    async def put(self, row: Row) -> bool:
        """Change an instance; return False, and do nothing, if it was removed."""

    async def remove(self, name: str) -> None:
        """Forget an instance; nothing happens if there is none."""


def state_of(url: str) -> State:
    """Return the state that a URL names, which is opened later.

    Args:
        url: its scheme is the entry point's name, such as "sqlite:/PATH" or "postgresql://HOST/DATABASE".

    Raises:
        HaconiwaError: nothing installed provides it.
        PluginError: that is broken, or two distributions claim it.
    """
    from haconiwa_core.plugins.entrypoints import load_sole

    scheme, _, _ = url.partition(":")
    kind = load_sole(GROUP, scheme, f"the state {scheme}") if scheme else None
    if kind is None:
        hint = "; pip install haconiwa-state-postgres" if scheme == "postgresql" else ""
        # The rest may have a password.
        raise HaconiwaError(f"no installed plugin provides the state {scheme!r}{hint}")
    state: State = kind(url)
    return state

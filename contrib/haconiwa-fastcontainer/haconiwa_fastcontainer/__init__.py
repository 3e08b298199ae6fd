"""A container that lives by requests: the first one starts it, it stays for a while, and is replaced often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.options import HostPath, Pattern, Range
from haconiwa_core.stages import Stage

__all__ = ["FastContainer", "Scaling"]

Seconds = Annotated[float, Range(0, 10**9)]
Count = Annotated[int, Range(0, 10**6)]
HostName = Annotated[
    str, Pattern(r"\*|[a-z0-9]([a-z0-9.-]{0,252})", 'a host name in small letters, or "*" for any other')
]
Listen = Annotated[
    str,
    Pattern(r"(\d{1,3}(\.\d{1,3}){3}|\[[0-9A-Fa-f:.]{2,45}\]):\d{1,5}", 'an address, such as "127.0.0.1:5432"'),
]
Size = Annotated[str, Pattern(r"[0-9]{1,12}[KMGT]?", 'a size, such as "512M"')]
UrlPath = Annotated[str, Pattern(r"/[!-~]*", 'the beginning of a path, such as "/health"')]


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """When a service gets more instances, and its instances more of the host.

    Args:
        load: requests at once, as a share of what its instances may have, above which there is another one.
        calm: the share below which there is one less.
        calm_for: seconds that it has to stay below.
        pressure: share of the time, 0 to 1, in which processes of an instance wait for processor or memory (PSI)
            from which that instance gets more of it.
        memory_most: size that an instance's memory grows to; without it, memory stays as the definition says.
        cpu_most: processors that an instance's share grows to; without it, the share stays as the definition says.
    """

    load: Annotated[float, Range(0, 1)] = 0.8
    calm: Annotated[float, Range(0, 1)] = 0.3
    calm_for: Seconds = 10.0
    pressure: Annotated[float, Range(0, 1)] = 0.2
    memory_most: Size | None = None
    cpu_most: Annotated[float, Range(0, 10**4)] | None = None


@dataclass(frozen=True, kw_only=True)
class FastContainer(Feature):
    """The container is an instance of a service that is started by requests.

    `haconiwa fastcontainer serve FILE` is its front. Without a front the hooks of this section still end the container
    when it has lived long enough.

    Example: `FastContainer(hosts=["blog.example"], port=8000, idle=30)`.
    """

    section: ClassVar[str] = "fastcontainer"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.PREPARE,)
    rootless: ClassVar[Rootless] = Rootless(
        "yes", "a process is started for each connection to a container with a network namespace of its own"
    )
    supervised: ClassVar[bool] = True

    hosts: Sequence[HostName] = option((), 'host names whose requests it answers; "*" for all that nobody else has')
    protocol: Literal["http", "tcp"] = option("http", "what it talks: HTTP/1.1 with upgrades, or any protocol over TCP")
    listen: Sequence[Listen] = option((), "addresses of the front, for tcp")
    port: Annotated[int, Range(0, 65535)] = option(
        8000, "TCP port on which it listens inside; 0 is a free one of the host. It is told as $PORT"
    )
    start_timeout: Seconds = option(60.0, "seconds until it has to accept connections")
    idle: Seconds = option(60.0, "seconds without an open connection after which it is stopped; 0 is never")
    life: Seconds = option(3600.0, "seconds after which it is replaced; 0 is never")
    drain: Seconds = option(30.0, "seconds that its open connections get when it is to end")
    least: Count = option(0, "instances that always run")
    most: Annotated[int, Range(1, 10**4)] = option(1, "instances that run at most")
    warm: Count = option(0, "instances that are started ahead and frozen; they need the feature `cgroup`")
    concurrency: Annotated[int, Range(1, 10**5)] = option(100, "requests or connections at once of one instance")
    queue: Count = option(100, "requests that wait for an instance at most; the next one is answered with 503")
    hold: Seconds = option(30.0, "seconds that a request waits for an instance at most, until it is answered with 503")
    quiet_paths: Sequence[UrlPath] = option((), "beginnings of paths that do not start it, such as a health check's")
    quiet_agents: Sequence[str] = option((), "parts of User-Agent headers that do not start it, such as a crawler's")
    scaling: Scaling | None = option(None, "when there are more instances, or these get more of the host")
    front: HostPath | None = option(None, "the control socket of its front, which sets this itself")

    @property
    def rules(self) -> Scaling:
        """The section's `scaling`, or the defaults of that."""
        return self.scaling or Scaling()

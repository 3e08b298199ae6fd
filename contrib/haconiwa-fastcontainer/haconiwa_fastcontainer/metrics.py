"""Figures for Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import h11
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from haconiwa_fastcontainer.front.http.head import BadRequestError
from haconiwa_fastcontainer.front.http.side import Side

if TYPE_CHECKING:
    from haconiwa_fastcontainer.fleet.fleet import Fleet
    from haconiwa_fastcontainer.journal import Event

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_PREFIX = "haconiwa_fastcontainer_"


class Metrics(Collector):
    """Counts events of a front, and looks at its services when it is asked.

    Args:
        fleet: of the front.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        self._starts = Histogram(
            f"{_PREFIX}start_seconds",
            "How long instances took to start: until the command was executed, and from there until they were ready",
            ["service", "phase"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._events = Counter(
            f"{_PREFIX}events", "What has happened to instances", ["service", "event"], registry=self._registry
        )
        self._stops = Counter(
            f"{_PREFIX}stops", "Instances that were ended, by reason", ["service", "reason"], registry=self._registry
        )
        fleet.journal.listen(self._count)

    def collect(self) -> Iterator[Metric]:
        """Give what is so now."""
        instances = GaugeMetricFamily(f"{_PREFIX}instances", "Instances by phase", labels=["service", "phase"])
        in_flight = GaugeMetricFamily(f"{_PREFIX}in_flight", "Requests that have an instance", labels=["service"])
        waiting = GaugeMetricFamily(f"{_PREFIX}waiting", "Requests that wait for an instance", labels=["service"])
        failures = GaugeMetricFamily(f"{_PREFIX}failures_in_a_row", "Starts that have failed", labels=["service"])
        refused = GaugeMetricFamily(f"{_PREFIX}refused", "Requests that got no instance", labels=["service", "status"])
        for name, service in self._fleet.services.items():
            for phase in ("asked", "starting", "warm", "running", "draining"):
                instances.add_metric([name, phase], len(service.of_phase(phase)))
            in_flight.add_metric([name], service.in_flight)
            waiting.add_metric([name], len(service.waiting))
            failures.add_metric([name], service.breaker.failures)
            for status, count in service.refused.items():
                refused.add_metric([name, str(status)], count)
        yield from (instances, in_flight, waiting, failures, refused)

    async def serve(self, connection: socket.socket) -> None:
        """Answer the requests of one connection.

        Args:
            connection: of who asks; it does not block, and the caller closes it.
        """
        asking = Side(connection, h11.SERVER)
        try:
            while request := await asking.request(lambda: None):
                if request.has_body or request.target.partition(b"?")[0] != b"/metrics":
                    status, body = 404, b"/metrics\n"
                else:
                    await asking.event()
                    status, body = 200, generate_latest(self._registry)
                head = [("content-type", CONTENT_TYPE_LATEST), ("content-length", str(len(body)))]
                asking.queue(h11.Response(status_code=status, headers=head))
                asking.queue(h11.Data(data=body))
                await asking.send(h11.EndOfMessage())
                if not asking.end_request():
                    return
        except (BadRequestError, h11.ProtocolError, OSError):
            return

    def _count(self, event: Event) -> None:
        kind, service = event["event"], event["service"]
        if not service:
            return
        self._events.labels(service, kind).inc()
        if kind == "started":
            self._starts.labels(service, "start").observe(event["start"])
            self._starts.labels(service, "ready").observe(event["ready"])
        elif kind == "stopping":
            self._stops.labels(service, event["reason"]).inc()

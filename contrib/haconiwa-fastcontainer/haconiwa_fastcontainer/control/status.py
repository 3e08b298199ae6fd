"""What a front tells about its services, as JSON has it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from haconiwa_fastcontainer.fleet.fleet import Fleet
    from haconiwa_fastcontainer.fleet.instance import Instance
    from haconiwa_fastcontainer.fleet.service import Service


async def status_of(fleet: Fleet) -> dict[str, Any]:
    """Return the front's process, its hosts and its services.

    Raises:
        StateError: the state cannot be asked for the hosts.
    """
    services = [_service(fleet, service) for service in fleet.services.values()]
    return {
        "pid": os.getpid(),
        "host": fleet.host.name,
        "hosts": [host._asdict() for host in await fleet.state.hosts()],
        "services": services,
    }


def _service(fleet: Fleet, service: Service) -> dict[str, Any]:
    options, breaker, counts = service.definition.options, service.breaker, fleet.journal.counts
    return {
        "name": service.name,
        "hosts": list(options.hosts),
        "listen": list(options.listen),
        "generation": service.definition.generation,
        "instances": [_instance(service, instance) for instance in service.instances.values()],
        "in_flight": service.in_flight,
        "waiting": len(service.waiting),
        "wanted": service.needed(),
        "most": options.most,
        "starts": counts["started", service.name],
        "failures": counts["failed", service.name],
        "failures_in_a_row": breaker.failures,
        "refused": sum(service.refused.values()),
        "reason": breaker.reason,
        "tried_again_in": round(breaker.wait(time.monotonic()), 3),
    }


def _instance(service: Service, instance: Instance) -> dict[str, Any]:
    row = instance.row
    return {
        "name": row.name,
        "host": row.host,
        "phase": row.phase,
        "address": row.address,
        "port": row.port,
        "since": row.since,
        "in_flight": instance.in_flight,
        "outdated": row.generation != service.definition.generation,
    }

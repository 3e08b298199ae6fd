"""An ordinary user's resident supervisor looks into network namespaces that only its containers' roots may enter."""

from __future__ import annotations

import json
import time

import pytest
from rootless.conftest import RANGES, Run, output

OPTIONS = (*RANGES, "--with", "ns-net", "--with", "ns-pid")
SERVE = ("python3", "-m", "http.server", "8080", "--bind", "127.0.0.1", "--directory", "/run/root")


def told(user: Run, name: str, ready: str) -> str:
    """Return what the supervisor tells of a container's readiness."""
    output(user("run", "-d", "--name", name, *OPTIONS, "--set", f"supervision.ready={{{ready}}}", "--", *SERVE))
    try:
        for _ in range(100):
            events = [json.loads(line) for line in output(user("events", name)).splitlines()]
            found = [event for event in events if event["event"] in ("ready", "not ready")]
            if found:
                return str(found[0]["event"]) + str(found[0].get("reason", ""))
            time.sleep(0.1)
        raise AssertionError(f"nothing is told: {events}")
    finally:
        user("rm", "--force", name)


@pytest.mark.parametrize(("name", "ready"), [("port", "port=8080"), ("http", 'http="http://127.0.0.1:8080/"')])
def test_a_server_is_ready(name: str, ready: str, user: Run) -> None:
    assert told(user, name, ready) == "ready"


@pytest.mark.parametrize(("name", "ready"), [("no-port", "port=8081"), ("no-http", 'http="http://127.0.0.1:8081/"')])
def test_where_nobody_listens_it_is_not(name: str, ready: str, user: Run) -> None:
    assert told(user, name, f"{ready}, timeout=1").startswith(f"not ready{name} is not ready after 1")

"""What a front tells of itself: on the screen, as JSON, and to Prometheus."""

from __future__ import annotations

import json
import subprocess
import urllib.request

import pytest
from fastcontainer.fronts import HELLO, Front, free_port, until
from fastcontainer.test_http import asked
from prometheus_client.parser import text_string_to_metric_families


def status(front: Front) -> dict[str, dict[str, object]]:
    """Return what the front tells of each service."""
    told = json.loads(front.haconiwa("fastcontainer", "status", "--format", "json"))
    return {service["name"]: service for service in told["services"]}


def test_screen_and_json(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]')
    front.write("broken", "raise SystemExit(1)", 'hosts = ["broken.test"]')
    front.start()
    asked(front)
    asked(front, Host="broken.test")
    told = status(front)
    assert (told["web"]["starts"], told["web"]["failures"], len(told["web"]["instances"])) == (1, 0, 1)
    assert (told["broken"]["starts"], told["broken"]["failures"], told["broken"]["refused"]) == (0, 1, 1)
    lines = front.haconiwa("fastcontainer", "status", "--once").splitlines()
    assert lines[0].split()[:2] == ["SERVICE", "INSTANCES"]
    assert [line.split()[0] for line in lines[1:]] == ["web", told["web"]["instances"][0]["name"], "broken"]
    assert "failing: it has ended before it accepted a connection" in lines[-1]


def test_reload_and_stop(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]')
    front.start()
    front.write("other", HELLO, 'hosts = ["other.test"]')
    (front.folder / "web.toml").write_text((front.folder / "other.toml").read_text())
    front.haconiwa("fastcontainer", "reload")
    assert asked(front, Host="other.test")[0].status == 200
    (front.folder / "web.toml").write_text("command = 3\n[fastcontainer]\n")
    with pytest.raises(subprocess.CalledProcessError) as failed:
        front.haconiwa("fastcontainer", "reload")
    assert "the present front goes on" in failed.value.stderr
    assert asked(front, Host="other.test")[0].status == 200
    front.haconiwa("fastcontainer", "stop")
    assert front.process.wait(30) == 0
    with pytest.raises(subprocess.CalledProcessError) as failed:
        front.haconiwa("fastcontainer", "status", "--once")
    assert "no front serves" in failed.value.stderr


def test_metrics(front: Front) -> None:
    port = free_port()
    front.write("web", HELLO, 'hosts = ["web.test"]\nidle = 1')
    front.arguments = ["--metrics", f"127.0.0.1:{port}"]
    front.start()
    asked(front)

    def samples() -> dict[tuple[str, ...], float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
            text = response.read().decode()
        families = text_string_to_metric_families(text)
        return {
            (each.name, *sorted(each.labels.values())): each.value for family in families for each in family.samples
        }

    prefix = "haconiwa_fastcontainer_"
    found = samples()
    assert found[f"{prefix}instances", "running", "web"] == 1
    assert found[f"{prefix}start_seconds_count", "ready", "web"] == 1
    assert found[f"{prefix}waiting", "web"] == 0
    until(lambda: samples().get((f"{prefix}stops_total", "idle", "web")) == 1, "that the idle stop is counted")
    assert samples()[f"{prefix}instances", "running", "web"] == 0

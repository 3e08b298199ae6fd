"""Instances come when they are needed, and go when they are not; their limits grow while they run."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from fastcontainer.fronts import HELLO, Front, until
from fastcontainer.test_http import asked

HAS_MEMORY = (
    Path("/sys/fs/cgroup/memory").is_dir() or "memory" in Path("/sys/fs/cgroup/cgroup.controllers").read_text().split()
)


def ask_slowly(front: Front, number: int) -> list[int]:
    """Ask for something slow, as often at once; return the statuses."""
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(asked(front, path="/slow")[0].status)) for _ in range(number)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def test_out_in_a_burst_and_in_when_it_is_over(front: Front) -> None:
    options = """
        hosts = ["web.test"]
        concurrency = 2
        most = 5
        scaling = { calm_for = 1.0 }
    """
    front.write("web", HELLO, options)
    front.start()
    assert asked(front)[0].status == 200
    assert ask_slowly(front, 10) == [200] * 10
    assert len(list(front.events("started"))) == 5
    until(lambda: len(front.containers()) == 1, "that there is one again")
    decisions = list(front.events("scaled"))
    assert {event["direction"] for event in decisions} >= {"in"}
    assert all(event["reason"] for event in decisions)


def test_never_more_than_most(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]\nconcurrency = 1\nmost = 2\nqueue = 100')
    front.start()
    assert ask_slowly(front, 6) == [200] * 6
    assert len(list(front.events("started"))) == 2


def test_least_always_run(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]\nleast = 2\nmost = 3\nidle = 0.3')
    front.start()
    until(lambda: len(front.containers()) == 2, "that two run")
    front.haconiwa("kill", "-s", "KILL", front.containers()[0])
    until(lambda: len(list(front.events("started"))) == 3, "that there is another one")
    until(lambda: len(front.containers()) == 2, "that two run again")


@pytest.mark.skipif(not HAS_MEMORY, reason="no hierarchy has the controller memory")
def test_memory_grows_while_it_runs(front: Front) -> None:
    more = "do_GET(self):\n            kept.append(os.urandom(int(self.path[1:] or 0) << 20))"
    program = HELLO.replace("do_GET(self):", more).replace("class Handler", "kept = []\n    class Handler")
    options = 'hosts = ["web.test"]\nscaling = { memory_most = "256M" }'
    front.write("web", program, options, '[ns-net]\n[ns-pid]\n[cgroup]\nmemory = "48M"\n')
    front.start()
    assert asked(front, path="/26")[0].status == 200
    for _ in range(8):
        assert asked(front, path="/2")[0].status == 200
        time.sleep(1.5)
        if decisions := list(front.events("scaled")):
            break
    assert (decisions[0]["direction"], decisions[0]["memory"]) == ("up", int((48 << 20) * 1.5))
    (name,) = front.containers()
    told = json.loads(front.haconiwa("inspect", "--format", "json", name))
    assert told["in_force"]["cgroup"]["memory"]["max"] == decisions[0]["memory"]
    assert asked(front, path="/16")[0].status == 200
    assert front.containers() == [name], "it was killed for its memory"

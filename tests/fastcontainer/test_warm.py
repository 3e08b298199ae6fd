"""Instances that are started ahead and frozen: the first request thaws one."""

from __future__ import annotations

import time

from fastcontainer.fronts import HELLO, Front, until
from fastcontainer.test_http import asked

GROUP = '[ns-net]\n[ns-pid]\n[cgroup]\nmemory = "64M"\n'
SLOW = HELLO.replace("Server((", "time.sleep(2); Server((")


def test_first_request_thaws_one_and_another_is_started(front: Front) -> None:
    front.write("web", SLOW, 'hosts = ["web.test"]\nwarm = 1\nidle = 1', GROUP)
    front.start()
    until(lambda: len(list(front.events("warm"))) == 1, "that one is ready and frozen")
    began = time.monotonic()
    assert asked(front)[0].status == 200
    assert time.monotonic() - began < 1.5, "it takes two seconds to start"
    until(lambda: len(list(front.events("warm"))) == 2, "that the next one is ready and frozen")
    first = next(front.events("warm"))["instance"]
    until(lambda: first not in front.containers(), "that the used one ends when idle")
    assert len(list(front.events("thawed"))) == 1


def test_frozen_ones_outlive_the_front(front: Front) -> None:
    front.write("web", SLOW, 'hosts = ["web.test"]\nwarm = 1', GROUP)
    front.start()
    until(lambda: len(list(front.events("warm"))) == 1, "that one is ready and frozen")
    front.stop()
    front.start()
    began = time.monotonic()
    assert asked(front)[0].status == 200
    assert time.monotonic() - began < 1.5


def test_they_need_a_control_group(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]\nwarm = 1')
    try:
        front.start()
    except AssertionError:
        assert "needs the section cgroup" in front.errors
    else:
        raise AssertionError("it has started")

"""Crash loops: starts come later and later, requests are told at once, and a service recovers by itself."""

from __future__ import annotations

import time

from fastcontainer.fronts import HELLO, Front, until
from fastcontainer.test_http import asked

UNLESS = "import os, sys\nif not os.path.exists(sys.argv[0] + '.works'): {}\n"


def test_broken_start_is_not_tried_for_every_request(front: Front) -> None:
    program = UNLESS.format("sys.exit(1)") + "\n".join(line[4:] for line in HELLO.splitlines())
    front.write("web", program, 'hosts = ["web.test"]')
    front.start()
    deadline = time.monotonic() + 5
    statuses = set()
    while time.monotonic() < deadline:
        statuses.add(asked(front)[0].status)
        time.sleep(0.02)
    assert statuses == {502}
    assert 3 <= len(list(front.events("failed"))) <= 8
    (front.folder / "web.py.works").touch()
    until(lambda: asked(front)[0].status == 200, "that it recovers", 60)


def test_one_crash_loses_no_request(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]')
    front.start()
    assert asked(front)[0].status == 200
    front.haconiwa("kill", "-s", "KILL", front.containers()[0])
    assert asked(front)[0].status == 200


def test_what_crashes_again_and_again_is_told_at_once(front: Front) -> None:
    program = HELLO.replace(
        'if self.path.startswith("/slow")',
        'if self.path == "/crash":\n                os._exit(1)\n            if self.path.startswith("/slow")',
    )
    front.write("web", program, 'hosts = ["web.test"]')
    front.start()
    for _ in range(4):
        asked(front, path="/crash")
    began = time.monotonic()
    response, body = asked(front)
    assert (response.status, response.headers["Retry-After"] is not None) == (502, True)
    assert time.monotonic() - began < 0.5
    assert body.split()[-1].startswith(b"web-")

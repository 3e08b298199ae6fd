"""Requests that come while an instance is about to end: none is lost."""

from __future__ import annotations

import random
import threading
import time

from fastcontainer.fronts import HELLO, Front
from fastcontainer.test_http import asked

REQUESTS = 500
CLIENTS = 10


def race(front: Front, pauses: tuple[float, float]) -> list[object]:
    """Ask from several clients, with pauses in which the instance may end; return what is no 200."""
    faults: list[object] = []

    together = threading.Barrier(CLIENTS)

    def ask_all(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(REQUESTS // CLIENTS):
            # All pause at the same time, so that nobody asks for about as long as the idle time.
            together.wait()
            time.sleep(chance.uniform(*pauses))
            try:
                if (status := asked(front)[0].status) != 200:
                    faults.append(status)
            except OSError as error:
                faults.append(error)

    threads = [threading.Thread(target=ask_all, args=(seed,)) for seed in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return faults


def test_idle_stop(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]\nidle = 0.2')
    front.start()
    assert race(front, (0.2, 0.3)) == []
    assert len(list(front.events("stopping"))) >= 3, "the instance was never idle: nothing was tried"


def test_end_of_life(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]\nidle = 0\nlife = 0.5\ndrain = 5')
    front.start()
    assert race(front, (0.0, 0.1)) == []
    assert len(list(front.events("stopping"))) >= 3

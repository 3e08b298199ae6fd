"""Containers whose front has gone end by themselves: idle and life are their own hooks."""

from __future__ import annotations

import socket
import time

from fastcontainer.fronts import ECHO, Front, free_port, until


def _first(front: Front, options: str) -> socket.socket:
    """Start a front and an instance, and return the connection to it."""
    port = free_port()
    front.write("echo", ECHO, f'protocol = "tcp"\nlisten = ["127.0.0.1:{port}"]\n{options}')
    front.start()
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(b"a")
    assert connection.recv(1) == b"a"
    return connection


def test_idle_time_passes_without_a_front(front: Front) -> None:
    with _first(front, "idle = 1"):
        assert len(front.containers()) == 1
        front.kill()
    until(lambda: not front.containers(), "that it ends")


def test_life_time_passes_without_a_front(front: Front) -> None:
    with _first(front, "idle = 0\nlife = 2"):
        front.kill()
        assert len(front.containers()) == 1
    until(lambda: not front.containers(), "that it ends")


def test_without_limits_it_stays(front: Front) -> None:
    with _first(front, "idle = 0\nlife = 0"):
        front.kill()
    time.sleep(2)
    assert len(front.containers()) == 1


def test_life_time_of_one_that_is_used_starts_another_first(front: Front) -> None:
    with _first(front, "idle = 30\nlife = 1.5\ndrain = 20") as connection:
        until(lambda: len(list(front.events("started"))) == 2, "that another one is started")
        time.sleep(0.5)
        connection.sendall(b"still")
        assert connection.recv(16) == b"still"
        old = next(front.events("started"))["instance"]
        assert old in front.containers()
    until(lambda: old not in front.containers(), "that the old one ends")
    assert [event["reason"] for event in front.events("stopping")][:1] == ["life"]


def test_life_time_of_one_that_nobody_uses_at_that_moment_starts_another_first(front: Front) -> None:
    with _first(front, "idle = 30\nlife = 1.5\ndrain = 20"):
        pass
    until(lambda: len(list(front.events("started"))) > 1, "that another one is started", 10)
    until(lambda: list(front.events("ended")), "that the old one ends", 10)
    assert next(front.events("stopping"))["reason"] == "life"

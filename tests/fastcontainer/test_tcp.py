"""Services over TCP: the first connection starts an instance, the last one lets it end."""

from __future__ import annotations

import socket
import time

from fastcontainer.fronts import ECHO, Front, free_port, until


def _echo(port: int, data: bytes = b"hello") -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(65536):
            received += part
        return received


def test_first_connection_starts_an_instance_that_ends_when_idle(front: Front) -> None:
    port = free_port()
    front.write("echo", ECHO, f'protocol = "tcp"\nlisten = ["127.0.0.1:{port}"]\nidle = 1')
    front.start()
    assert front.containers() == []
    assert _echo(port) == b"hello"
    assert len(front.containers()) == 1
    until(lambda: not front.containers(), "that it ends")
    assert [event["reason"] for event in front.events("stopping")] == ["idle"]
    assert _echo(port, b"again") == b"again"


def test_open_connection_without_a_byte_is_use(front: Front) -> None:
    port = free_port()
    front.write("echo", ECHO, f'protocol = "tcp"\nlisten = ["127.0.0.1:{port}"]\nidle = 0.4')
    front.start()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"a")
        assert connection.recv(1) == b"a"
        name = front.containers()
        time.sleep(2)
        connection.sendall(b"b")
        assert connection.recv(1) == b"b"
        assert front.containers() == name
    until(lambda: not front.containers(), "that it ends")


def test_many_first_connections_start_one_instance(front: Front) -> None:
    port = free_port()
    front.write("echo", ECHO, f'protocol = "tcp"\nlisten = ["127.0.0.1:{port}"]')
    front.start()
    connections = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(40)]
    for number, connection in enumerate(connections):
        connection.sendall(b"%d" % number)
    for number, connection in enumerate(connections):
        assert connection.recv(16) == b"%d" % number
        connection.close()
    assert len(list(front.events("started"))) == 1


def test_port_zero_is_a_free_one_of_the_host(front: Front) -> None:
    port = free_port()
    front.write("echo", ECHO, f'protocol = "tcp"\nlisten = ["127.0.0.1:{port}"]\nport = 0', rest="[ns-pid]\n")
    front.start()
    assert _echo(port) == b"hello"


def test_instance_that_ends_before_it_listens_is_a_failure_whose_log_stays(front: Front) -> None:
    port = free_port()
    program = "raise SystemExit('no configuration')"
    front.write("broken", program, f'protocol = "tcp"\nlisten = ["127.0.0.1:{port}"]')
    front.start()
    assert _echo(port, b"") == b""
    (event,) = front.events("failed")
    assert event["reason"] == "it has ended before it accepted a connection"
    assert "no configuration" in front.haconiwa("logs", event["instance"])

"""Published ports, and policies, with real sockets; nft(8) only looks."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from network.test_network import command, forget, leases, links, output, python, tried

from haconiwa_core.testing import needs_program, needs_root

pytestmark = [needs_root, needs_program("ip"), needs_program("nft")]

SERVER = """
import signal, socket, sys
# The first process of a PID namespace gets no signal that it does not handle.
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
with socket.create_server(("0.0.0.0", 7000)) as server:
    print("listening", flush=True)
    while True:
        connection, peer = server.accept()
        connection.sendall(b"hello")
        connection.close()
"""
TRY_LATER = """
def ask():
    import os, socket, time
    for _ in range(100):
        try:
            print(socket.create_connection(("10.209.0.1", 8080), 1).recv(9).decode(), flush=True)
            os._exit(0)
        except OSError:
            time.sleep(0.05)
    os._exit(1)
threading.Thread(target=ask).start()
"""
ECHO = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.bind(("0.0.0.0", 7000))
    print("listening", flush=True)
    data, peer = server.recvfrom(20)
    server.sendto(data, peer)
"""
TRY = """
import socket, sys
for place in sys.argv[1:]:
    host, port = place.rsplit(":", 1)
    try:
        print(place, socket.create_connection((host, int(port)), 1).recv(9).decode())
    except OSError:
        print(place, "refused")
"""


def rules() -> str:
    """Return all rules of the host, as nft(8) sees them."""
    return output(["nft", "list", "ruleset"])


@contextmanager
def serving(*options: str, name: str = "net-server", others: tuple[str, ...] = ()) -> Iterator[None]:
    """Run a server at 10.209.7.7 as long as the block lasts; only links of others may be left."""
    words = command("--set", 'network.address="10.209.7.7"', *options, name=name, program=python(SERVER))
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == "listening\n"
            yield
        finally:
            server.terminate()
    forget()
    assert (links(), leases(), rules()) == (["lo", *others], [], "")


@pytest.mark.parametrize("port", ["8080:7000", "127.0.0.1:8080:7000"])
def test_a_published_port_answers(port: str) -> None:
    with serving("--set", f'network.ports=["{port}"]'):
        with socket.create_connection(("127.0.0.1", 8080), 5) as connection:
            assert connection.recv(9) == b"hello"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", 8081), 5)


def test_the_container_itself_reaches_its_published_port() -> None:
    both = f"import threading\n{TRY_LATER}{SERVER}"
    fixed = ("--set", 'network.address="10.209.7.7"', "--set", 'network.ports=["8080:7000"]')
    assert "hello" in output(command(*fixed, program=python(both)))


def test_a_datagram_to_a_published_port_is_answered() -> None:
    fixed = ("--set", 'network.address="10.209.7.7"', "--set", 'network.ports=["127.0.0.1:5353:7000/udp"]')
    words = command(*fixed, program=python(ECHO))
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "listening\n"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(5)
            asking.connect(("127.0.0.1", 5353))
            asking.send(b"question")
            assert asking.recv(20) == b"question"
    assert (links(), leases(), rules()) == (["lo"], [], "")


def test_a_published_port_answers_by_ipv6() -> None:
    subprocess.run(["ip", "-6", "addr", "add", "fd00:99::1/128", "dev", "lo", "nodad"], check=True)
    six = ("--set", 'network.subnet6="fd00:68::/64"', "--set", 'network.ports=["[fd00:99::1]:8080:7000"]')
    words = command(*six, program=python(SERVER.replace('("0.0.0.0", 7000)', '("::", 7000), family=socket.AF_INET6')))
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == "listening\n"
            with socket.create_connection(("fd00:99::1", 8080), 5) as connection:
                assert connection.recv(9) == b"hello"
        finally:
            server.terminate()
    assert (links(), leases(), rules()) == (["lo"], [], "")


@pytest.mark.parametrize("called", ["0", "1"])
def test_neighbours_and_the_container_itself_reach_a_published_port(called: str) -> None:
    # Whether frames from one port of a bridge to another pass the rules of the family inet.
    setting = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if setting.exists():
        setting.write_text(called)
    elif called == "1":
        pytest.skip("this kernel has no br_netfilter, or has not loaded it")
    with serving("--set", 'network.ports=["8080:7000"]'):
        words = command(name="net-other", program=python(TRY, "10.209.0.1:8080", "10.209.7.7:7000", "10.209.0.1:81"))
        assert output(words).split("\n")[:3] == [
            "10.209.0.1:8080 hello",
            "10.209.7.7:7000 hello",
            "10.209.0.1:81 refused",
        ]


def test_only_what_is_listed_is_reached() -> None:
    with serving():
        places = ("10.209.7.7:7000", "10.209.0.1:9000")
        with socket.create_server(("10.209.0.1", 9000)) as own:
            own.settimeout(20)

            def reached(*options: str) -> list[str]:
                forget()
                lines = output(command(*options, name="net-kept", program=python(TRY, *places))).splitlines()
                return [line.split()[0] for line in lines if not line.endswith("refused")]

            # The host's server never answers: to be connected is enough.
            assert reached() == ["10.209.7.7:7000"]
            assert reached("--set", 'network.to=["10.209.7.7:7000"]') == ["10.209.7.7:7000"]
            assert reached("--set", 'network.to=["10.209.7.7:7001"]') == []
            assert reached("--set", "network.to=[]") == []
            assert reached("--set", 'network.to=["10.209.0.0/16"]') == ["10.209.7.7:7000"]


def test_who_holds_a_port_is_told() -> None:
    with serving("--set", 'network.ports=["127.0.0.1:8080:7000"]'):
        second = tried(command("--set", 'network.ports=["8080:80"]', name="net-second"))
        assert second.returncode != 0
        assert "*:8080/tcp is published by net-server" in second.stderr
    with socket.create_server(("127.0.0.1", 8080)):
        second = tried(command("--set", 'network.ports=["127.0.0.1:8080:80"]', name="net-third"))
        assert second.returncode != 0
        assert "127.0.0.1:8080/tcp cannot be published" in second.stderr
    assert (links(), leases(), rules()) == (["lo"], [], "")

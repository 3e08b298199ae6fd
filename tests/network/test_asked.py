"""What is told of a container with a network, and docker's flags for one."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from network.test_network import NAMESPACES, SIX, command, forget, links, output, python, tried
from network.test_rules import SERVER, rules

from haconiwa_core.testing import haconiwa_command, needs_program, needs_root

pytestmark = [needs_root, needs_program("ip"), needs_program("nft")]

FIXED = (*SIX, "--set", 'network.address="10.209.7.7"', "--set", 'network.address6="fd00:68::7"')
ASK = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 9000), 2)
    print("reached")
except OSError:
    print("refused")
"""
TO = ("10.209.0.0/24", "10.209.0.0/16:443", "[fd00:68::]/64:53/udp", "10.209.0.0/16/udp", "192.0.2.0/28")
TOLD = "10.209.0.0/16/udp, 10.209.0.0/16:443/tcp, 10.209.0.0/24, 192.0.2.0/28, fd00:68::/64:53/udp"


@contextmanager
def serving(*options: str, name: str = "net-asked") -> Iterator[None]:
    """Run a server as long as the block lasts."""
    words = command(*options, name=name, program=python(SERVER))
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == "listening\n"
            yield
        finally:
            server.terminate()


@pytest.fixture(autouse=True)
def nothing_left(own_network: None) -> Iterator[None]:
    """Look whether the test has left something."""
    yield
    forget()
    assert (links(), rules()) == (["lo"], "")


def inspected(*options: str, name: str = "net-asked") -> Any:
    """Return what `haconiwa inspect` tells."""
    return json.loads(output([*haconiwa_command(), "inspect", "--format", "json", *options, name]))


def rows(name: str = "net-asked") -> dict[str, tuple[str, str, str]]:
    """Return what was asked for, what is in force, and the state, of each row about the network."""
    found = inspected("--isolation", name=name)
    return {row["what"]: (row["asked"], row["in_force"], row["state"]) for row in found if row["section"] == "network"}


def test_what_is_in_force_is_read_back() -> None:
    with serving(*FIXED, "--set", f"network.to={json.dumps(TO)}"):
        assert rows() == {
            "network addresses": ("10.209.7.7/16, fd00:68::7/64",) * 2 + ("holds",),
            "network gateways": ("10.209.0.1, fd00:68::1",) * 2 + ("holds",),
            "network policy": (TOLD, TOLD, "holds"),
        }


def test_the_policies_of_two_are_told_apart() -> None:
    with serving("--set", "network.to=[]", name="net-closed"), serving(name="net-open"):
        assert rows("net-closed")["network policy"] == ("nothing", "nothing", "holds")
        assert rows("net-open")["network policy"] == ("", "everything", "unasked")


def test_what_was_changed_behind_its_back_fails() -> None:
    with serving(*FIXED, "--set", 'network.to=["10.209.0.0/16"]'):
        pid = str(inspected()["child"]["pid"])
        inside = ["nsenter", "-t", pid, "-n", "ip"]
        subprocess.run([*inside, "addr", "add", "10.209.9.9/16", "dev", "eth0"], check=True)
        subprocess.run([*inside, "route", "del", "default"], check=True)
        subprocess.run(["nft", "flush", "map", "bridge", "haconiwa", "restricted"], check=True)
        found = rows()
        assert {state for _, _, state in found.values()} == {"fails"}
        assert found["network addresses"][1] == "10.209.7.7/16, 10.209.9.9/16, fd00:68::7/64"
        assert found["network gateways"][1] == "fd00:68::1"
        assert found["network policy"][1] == "everything"


def test_a_process_without_the_section_has_no_rows() -> None:
    words = [*haconiwa_command(), "run", "--name", "net-none", "--with", "ns-net", "--", *python(SERVER)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "listening\n"
        assert rows("net-none") == {}
        server.terminate()


def test_flags_do_what_they_say() -> None:
    flags = ("-p", "127.0.0.1:8080:7000", "--publish=8081:7000", "--ip", "10.209.7.7")
    names = ("--dns", "192.0.2.1", "--add-host", "db:10.209.0.9", "--add-host", "six=fd00:68::9")
    with serving(*flags, *names):
        for port in (8080, 8081):
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                assert connection.recv(9) == b"hello"
        status = inspected()["in_force"]["network"]
        assert status["addresses"] == ["10.209.7.7/16"]
        assert status["ports"] == ["127.0.0.1:8080:7000", "8081:7000"]
    told = output(command(*names, name="net-names", program=["cat", "/etc/resolv.conf", "/etc/hosts"]))
    assert "nameserver 192.0.2.1\n" in told
    assert "10.209.0.9 db\nfd00:68::9 six\n" in told


@pytest.mark.parametrize("order", [1, -1])
def test_destinations_that_meet_are_taken_in_either_order(order: int) -> None:
    with serving(*FIXED, "--set", f"network.to={json.dumps(TO[::order])}"):
        assert rows()["network policy"] == (TOLD, TOLD, "holds")


def codes(*options: str) -> set[str]:
    """Return what an audit finds in the network of a container with these options."""
    words = [*haconiwa_command(), "audit", "--format", "json", *NAMESPACES, *options, "--", "true"]
    (found,) = json.loads(tried(words).stdout)
    return {finding["code"] for finding in found["findings"] if finding["section"] == "network"}


def test_whoever_reaches_the_host_reaches_a_port_that_is_published_on_all_addresses() -> None:
    subprocess.run(["ip", "addr", "add", "192.0.2.1/32", "dev", "lo"], check=True)
    closed = ("--set", "network.to=[]", "--set", 'network.ports=["127.0.0.1:8080:7000"]')
    weak = ("--set", "network.to=[]", "--set", 'network.ports=["8080:7000"]')
    with serving(*weak), socket.create_connection(("192.0.2.1", 8080), 5) as connection:
        assert connection.recv(9) == b"hello"
    forget()
    with serving(*closed), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("192.0.2.1", 8080), 5)
    assert (codes(*weak), codes(*closed)) == ({"NETWORK-PUBLISHED"}, set())


def test_without_a_policy_a_container_attacks_services_of_the_host() -> None:
    subprocess.run(["ip", "addr", "add", "192.0.2.1/32", "dev", "lo"], check=True)
    closed = ("--set", 'network.to=["192.0.2.2"]')
    with socket.create_server(("192.0.2.1", 9000)):
        found = [
            output(command(*options, name=name, program=python(ASK, "192.0.2.1")))
            for name, options in (("net-open", ()), ("net-kept", closed))
        ]
    assert found == ["reached\n", "refused\n"]
    assert (codes(), codes(*closed)) == ({"NETWORK-OPEN"}, set())

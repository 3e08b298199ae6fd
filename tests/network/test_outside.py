"""Traffic of containers with a server outside, in another network namespace behind a link of the host's."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from network.test_network import command, forget, leases, links, output, python, tried
from network.test_rules import TRY, rules, serving

from haconiwa_core.testing import needs_program, needs_root

pytestmark = [needs_root, needs_program("ip"), needs_program("nft"), needs_program("nsenter")]

OUTSIDE = """
import socket, sys
# Both families: an IPv4 peer is ::ffff:192.0.2.1.
with socket.create_server(("::", 9000), family=socket.AF_INET6, dualstack_ipv6=True) as server:
    print("listening", flush=True)
    while True:
        connection, peer = server.accept()
        connection.sendall(peer[0].removeprefix("::ffff:").encode())
        connection.close()
"""
SEEN_AS = """
import socket, sys
try:
    print(socket.create_connection((sys.argv[1], 9000), 2).recv(50).decode())
except OSError:
    print("unreachable")
"""
SIX = ("--set", 'network.subnet6="fd00:68::/64"')
MASQUERADE = ("--set", "network.masquerade=true")


def forward(value: str) -> None:
    """Let the host forward packets, or not."""
    for setting in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        Path("/proc/sys/net", setting).write_text(value)


@pytest.fixture
def outside(own_network: None) -> Iterator[list[str]]:
    """Give the words that run a program in the namespace outside, which is 192.0.2.2 and fd00:2::2."""
    with subprocess.Popen(["unshare", "--net", *python(OUTSIDE)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == "listening\n"
            inside = ["nsenter", "-t", str(server.pid), "-n"]
            words = ("ip", "link", "add", "hwout", "type", "veth", "peer", "name", "hwfar", "netns", str(server.pid))
            subprocess.run(words, check=True)
            for number, device, way in ((1, "hwout", []), (2, "hwfar", inside)):
                for address in ([f"192.0.2.{number}/24"], [f"fd00:2::{number}/64", "nodad"]):
                    subprocess.run([*way, "ip", "addr", "add", *address, "dev", device], check=True)
                subprocess.run([*way, "ip", "link", "set", device, "up"], check=True)
            forward("1")
            yield inside
        finally:
            server.terminate()
    subprocess.run(["ip", "link", "delete", "hwout"], check=True)
    forget()
    assert (links(), leases(), rules()) == (["lo"], [], "")


def seen_as(server: str, *options: str) -> str:
    """Return the address under which the server outside sees a container."""
    told = output(command(*options, program=python(SEEN_AS, server))).strip()
    forget()
    return told


def test_the_host_stands_for_the_container(outside: list[str]) -> None:
    assert seen_as("192.0.2.2") == "unreachable"  # Nobody outside knows the way back.
    assert seen_as("192.0.2.2", *MASQUERADE) == "192.0.2.1"
    subprocess.run([*outside, "ip", "route", "add", "10.209.0.0/16", "via", "192.0.2.1"], check=True)
    fixed = ("--set", 'network.address="10.209.7.7"')
    assert seen_as("192.0.2.2", *fixed) == "10.209.7.7"
    assert seen_as("192.0.2.2", *fixed, *MASQUERADE) == "192.0.2.1"


def test_the_host_stands_for_the_container_by_ipv6(outside: list[str]) -> None:
    assert seen_as("fd00:2::2", *SIX, *MASQUERADE) == "fd00:2::1"


def test_a_policy_reaches_past_the_host(outside: list[str]) -> None:
    to = '"192.0.2.2:9000"'
    assert seen_as("192.0.2.2", *MASQUERADE, "--set", f"network.to=[{to}]") == "192.0.2.1"
    assert seen_as("192.0.2.2", *MASQUERADE, "--set", 'network.to=["192.0.2.2:9001"]') == "unreachable"


@pytest.mark.parametrize("masquerade", [(), MASQUERADE], ids=["plain", "masquerade"])
@pytest.mark.parametrize("port", ["8080:7000", "192.0.2.1:8080:7000"])
def test_a_published_port_answers_outside(outside: list[str], port: str, masquerade: tuple[str, ...]) -> None:
    with serving("--set", f'network.ports=["{port}"]', *masquerade, others=("hwout",)):
        places = ("192.0.2.1:8080", "192.0.2.1:8081")
        assert output([*outside, *python(TRY, *places)]) == "192.0.2.1:8080 hello\n192.0.2.1:8081 refused\n"


def test_a_port_of_loopback_is_not_published_outside(outside: list[str]) -> None:
    with serving("--set", 'network.ports=["127.0.0.1:8080:7000"]', others=("hwout",)):
        assert output([*outside, *python(TRY, "192.0.2.1:8080")]) == "192.0.2.1:8080 refused\n"


@pytest.mark.parametrize("options", [MASQUERADE, (*SIX, *MASQUERADE)], ids=["ipv4", "ipv6"])
def test_masquerade_needs_a_host_that_forwards(outside: list[str], options: tuple[str, ...]) -> None:
    if options == MASQUERADE:
        Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
        missing = "net.ipv4.ip_forward is 0"
    else:
        Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("0")
        missing = "net.ipv6.conf.all.forwarding is 0"
    done = tried(command(*options))
    assert done.returncode != 0
    assert missing in done.stderr

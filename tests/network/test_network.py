"""Containers on a bridge: they reach each other, and keep to their leases."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyroute2 import IPRoute

from haconiwa_core.runtime.cleanup import collect
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing import haconiwa_command, needs_program, needs_root

pytestmark = [needs_root, needs_program("ip")]

NAMESPACES = ("--with", "ns-net", "--with", "ns-mount", "--with", "ns-pid", "--with", "network")
SIX = ("--set", 'network.subnet6="fd00:68::/64"')
USER = ("--set", "ns-user.uid_map=[{inside=0,outside=0,count=1000}]")
USER_GROUPS = ("--set", "ns-user.gid_map=[{inside=0,outside=0,count=1000}]")

SERVER = """
import socket, sys
server = socket.create_server((sys.argv[1], 7000), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print("listening", flush=True)
connection = server.accept()[0]
connection.sendall(b"hello")
sys.stdin.read()
"""
CLIENT = "import socket, sys; print(socket.create_connection((sys.argv[1], 7000), 5).recv(9).decode())"


def command(*arguments: str, name: str = "net-one", program: Iterable[str] = ("true",)) -> list[str]:
    """Return the command line that runs a program in a container with a network."""
    return [*haconiwa_command(), "run", "--name", name, *NAMESPACES, *arguments, "--", *program]


def python(text: str, *arguments: str) -> list[str]:
    """Return the command line of a program, whose interpreter is outside any environment."""
    return [os.path.realpath(sys.executable), "-I", "-S", "-c", text, *arguments]


def tried(words: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command, and return what it writes."""
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)


def output(words: list[str]) -> str:
    """Return what a command that succeeds writes."""
    done = tried(words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def links() -> list[str]:
    """Return the names of the links that are there, as another library sees them."""
    with IPRoute() as routes:
        return [link.get_attr("IFLA_IFNAME") for link in routes.get_links()]


def leases() -> list[str]:
    """Return the leases that are out."""
    folder = Path(os.environ["HACONIWA_STATE"], ".networks")
    return [file.name for file in folder.rglob("*")]


def forget() -> None:
    """Do what `haconiwa gc` does."""
    assert [found.problem for found in collect(Store()) if found.problem] == []


@pytest.mark.parametrize("address", ["10.209.7.7", "fd00:68::77"])
@pytest.mark.parametrize("more", [(), (*USER, *USER_GROUPS)], ids=["plain", "user-namespace"])
def test_two_containers_talk(address: str, more: tuple[str, ...]) -> None:
    option = "address6" if ":" in address else "address"
    words = command(*SIX, *more, "--set", f'network.{option}="{address}"', program=python(SERVER, address))
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stdout.readline() == "listening\n"
        assert "haconiwa0" in links()
        assert output(command(*SIX, *more, name="net-two", program=python(CLIENT, address))) == "hello\n"
        assert "haconiwa0" in links()  # One of them is left.
        server.stdin.close()
    assert server.returncode == 0
    assert links() == ["lo"]
    assert leases() == []


def test_what_is_inside() -> None:
    words = command(
        *SIX,
        *("--set", 'network.address="10.209.7.7"', "--set", "network.mtu=1400", "--set", 'network.interface="net0"'),
        *("--set", 'network.address6="fd00:68::7"'),
        program=["sh", "-c", "ip -o addr show net0; ip route; ip -6 route show default; ip -o link show net0"],
    )
    found = output(words)
    assert "inet 10.209.7.7/16 brd 10.209.255.255" in found
    assert "inet6 fd00:68::7/64" in found
    assert "tentative" not in found.partition("fe80")[0]  # Nobody waits until an address can be used.
    assert "default via 10.209.0.1 dev net0" in found
    assert "default via fd00:68::1 dev net0" in found
    assert "mtu 1400" in found


def test_files_of_names() -> None:
    words = command(
        *("--set", 'network.dns=["192.0.2.1"]', "--set", 'network.hosts=["db:10.209.0.9"]'),
        *("--set", 'network.address="10.209.7.7"'),
        program=["sh", "-c", "cat /etc/resolv.conf /etc/hosts; echo >/etc/hosts || echo closed"],
    )
    done = tried(words)
    expected = "nameserver 192.0.2.1\n127.0.0.1 localhost\n::1 localhost\n10.209.7.7 sh\n10.209.0.9 db\n"
    assert done.stdout == expected + "closed\n"


def test_an_address_is_leased_once() -> None:
    fixed = ("--set", 'network.address="10.209.7.7"')
    with subprocess.Popen(
        command(*fixed, program=["sh", "-c", "echo up; read line"]), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        first.stdout.readline()
        second = tried(command(*fixed, name="net-two"))
        assert second.returncode != 0
        assert "10.209.7.7 is the gateway's or another container's" in second.stderr
        assert "['10.209.7.7/16']" in output([*haconiwa_command(), "inspect", "net-one"])
        assert set(leases()) == {"haconiwa0", "removal-bridge", "10.209.7.7"}
        first.stdin.close()
    assert links() == ["lo"]
    assert leases() == []
    assert output(command(*fixed, name="net-three")) == ""


def test_a_small_pool_is_given_away_at_once_to_as_many_as_it_has() -> None:
    small = ("--set", 'network.subnet="10.210.0.0/29"', "--set", 'network.bridge="hwsmall"')

    def run(number: int) -> str:
        words = command(*small, name=f"net-{number}", program=["sh", "-c", "ip -o -4 addr show eth0; sleep 3"])
        done = tried(words)
        return done.stdout.split()[3] if done.returncode == 0 else done.stderr

    # A thread has the network namespace of the one that has started it.
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(run, range(6)))
    given = {text for text in found if text.startswith("10.")}
    assert given == {f"10.210.0.{number}/29" for number in range(2, 7)}
    assert sum("all addresses of 10.210.0.0/29 are in use" in text for text in found) == 1
    assert links() == ["lo"]
    assert leases() == []


def test_the_bridge_of_another_is_left_as_it_is() -> None:
    subprocess.run(["ip", "link", "add", "hwother", "type", "bridge"], check=True)
    output(command("--set", 'network.bridge="hwother"'))
    assert links() == ["lo", "hwother"]
    assert leases() == []


@pytest.mark.parametrize("kind", ["macvlan", "ipvlan"])
def test_a_part_of_a_device(kind: str) -> None:
    subprocess.run(["ip", "link", "add", "hwout", "type", "veth", "peer", "name", "hwfar"], check=True)
    subprocess.run(["ip", "link", "set", "hwout", "up"], check=True)
    options = ("--set", f'network.kind="{kind}"', "--set", 'network.parent="hwout"')
    words = command(*options, program=["ip", "-d", "-o", "link", "show", "eth0"])
    done = tried(words)
    assert leases() == []
    if f"this kernel has no {kind}" in done.stderr:
        pytest.skip(f"this kernel has no {kind}")
    assert done.returncode == 0, done.stderr
    assert kind in done.stdout
    assert sorted(links()) == ["hwfar", "hwout", "lo"]

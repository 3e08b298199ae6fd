"""Published ports, and destinations of a policy, as they are written; and who holds a port of the host."""

from __future__ import annotations

import errno
import os
import re
import socket
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import NamedTuple

from haconiwa_core.errors import StepError
from haconiwa_core.linux.shares import join_share

PROTOCOLS = {"tcp": 6, "udp": 17}

_PORT = re.compile(r"(?:\[?([0-9A-Fa-f:.]*?)\]?:)?(\d+):(\d+)(?:/(\w+))?", re.ASCII)
_DESTINATION = re.compile(r"\[?([0-9A-Fa-f:.]+?)\]?(/\d+)?(?::(\d+))?(?:/(tcp|udp))?", re.ASCII)
_FOLDER = (".networks", "ports")
_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_LARGEST = 65535


class Published(NamedTuple):
    """A port of the host that stands for one inside.

    Args:
        address: of the host; "" for all.
        outside: the host's port.
        inside: the container's.
        protocol: "tcp" or "udp".
    """

    address: str
    outside: int
    inside: int
    protocol: str


class Destination(NamedTuple):
    """What a policy allows.

    Args:
        network: its addresses.
        port: 0 for all.
        protocol: "tcp" or "udp"; "" for every one.
    """

    network: IPv4Network | IPv6Network
    port: int
    protocol: str


def published(text: str) -> Published:
    """Return what a text such as "127.0.0.1:8080:80/tcp" says.

    Raises:
        ValueError: it is none, and why.
    """
    found = _PORT.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no port to publish")
    address = ip_address(found[1]) if found[1] else None
    if address and address.version == 6 and address.is_loopback:
        raise ValueError("the kernel sends no packet for ::1 elsewhere; publish on 127.0.0.1")
    if address and address.is_unspecified:
        raise ValueError(f"leave {address} out for all addresses")
    return Published(str(address or ""), _number(found[2]), _number(found[3]), found[4] or "tcp")


def destination(text: str) -> Destination:
    """Return what a text such as "10.0.0.0/8:5432" says.

    Raises:
        ValueError: it is none, and why.
    """
    found = _DESTINATION.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no destination")
    network = ip_network(found[1] + (found[2] or ""))
    return Destination(network, _number(found[3]) if found[3] else 0, found[4] or ("tcp" if found[3] else ""))


def port_note(number: int) -> str:
    """Return the name of the note of an instance's port, for `leave_share`."""
    return f"port-{number}"


def hold_port(address: str, port: int, protocol: str, note: str, directory: str) -> None:
    """Claim a port of the host for an instance; `leave_share` is the undo.

    Args:
        address: of the host; "" for all.
        port: of the host.
        protocol: "tcp" or "udp".
        note: by `port_note`.
        directory: the instance's own.

    Raises:
        StepError: another container has published it, or a program of the host has it.
    """
    folder = Path(directory).parent.joinpath(*_FOLDER)
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    stem = f"{protocol}-{port}-"
    member = stem + (address or "all")
    joined = join_share(str(folder), member, note, directory)
    rivals = [name for name in os.listdir(folder) if name.startswith(stem) and _meet(name, member)]
    if joined:
        rivals.remove(member)
    where = f"{address or '*'}:{port}/{protocol}"
    if rivals:
        holder = _holder(folder / rivals[0], directory)
        raise StepError(errno.EADDRINUSE, f"{where} is published by {holder}", "take another port, or end it")
    _try_host(where, address, port, protocol)


def _meet(name: str, member: str) -> bool:
    return name == member or name.endswith("-all") or member.endswith("-all")


def _holder(member: Path, directory: str) -> str:
    for other in Path(directory).parent.iterdir():
        if other != Path(directory) and any(note.samefile(member) for note in other.glob("share-port-*")):
            return other.name
    return "a container that has just ended"


def _try_host(where: str, address: str, port: int, protocol: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, _KINDS[protocol]) as tried:
        try:
            if protocol == "tcp":
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((address, port))
        except OSError as error:
            remedy = "take another address or port; `ss -lntup` shows who has it"
            raise StepError(error.errno or errno.EADDRINUSE, f"{where} cannot be published", remedy) from error


def _number(text: str) -> int:
    if not 1 <= int(text) <= _LARGEST:
        raise ValueError(f"{text} is no port: 1 to {_LARGEST}")
    return int(text)

"""Make a container's interface, while its first process waits: all that is made is noted before."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from collections.abc import Sequence

from haconiwa_core.errors import StepError
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import CLONE_NEWNET
from haconiwa_core.linux.host import system_call
from haconiwa_core.linux.netlink import message_note, note_messages, open_netlink, send_message
from haconiwa_core.linux.shares import removal_note
from haconiwa_network import messages
from haconiwa_network.addresses import Lease, note_link, noted_leases
from haconiwa_network.messages import NETLINK_ROUTE
from haconiwa_network.pools import share_folder

NAME = "network"
"""Of the note of what an instance has made."""

_SIOCGIFINDEX = 0x8933
_MODES = {"macvlan": messages.MACVLAN_BRIDGE, "ipvlan": messages.IPVLAN_L2}


def connect_to_bridge(bridge: str, interface: str, mtu: int, pid: int, directory: str) -> None:
    """Give a child an interface on a bridge, which is made if it is missing.

    `send_own_messages` and, for the bridge, `leave_share` are the undo.

    Args:
        bridge: its name.
        interface: the new one's name inside.
        mtu: bytes of the largest packet.
        pid: a child that waits in a network namespace of its own.
        directory: the instance's own, with its leases.

    Raises:
        OSError: the kernel refuses.
    """
    leases = noted_leases(directory)
    # Random, for the names of links are everybody's, and an interface's has room for 15 bytes.
    own = f"hw{os.urandom(6).hex()}"
    with open_netlink(NETLINK_ROUTE) as host:
        index = _bridge(host, bridge, mtu, leases, directory)
        note_messages(NETLINK_ROUTE, [messages.removal(own)], message_note(NAME, directory))
        note_link(own, directory)
        namespace = _namespace_of(pid)
        try:
            send_message(host, messages.veth(own, index, mtu, interface, namespace))
            _configure(namespace, interface, leases)
        finally:
            os.close(namespace)


def connect_to_parent(kind: str, parent: str, interface: str, mtu: int, pid: int, directory: str) -> None:
    """Give a child an interface that is part of a device of the host; it ends with the child's namespace.

    Args:
        kind: "macvlan" or "ipvlan".
        parent: the device.
        interface: the new one's name inside.
        mtu: bytes of the largest packet.
        pid: a child that waits in a network namespace of its own.
        directory: the instance's own, with its leases.

    Raises:
        StepError: the kernel cannot make such an interface, or there is no such device.
    """
    namespace = _namespace_of(pid)
    try:
        with open_netlink(NETLINK_ROUTE) as host:
            made = messages.part_of(_index(host, parent), kind, _MODES[kind], mtu, interface, namespace)
            send_message(host, made)
        _configure(namespace, interface, noted_leases(directory))
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            remedy = f'modprobe {kind}, or use kind = "bridge"'
            raise StepError(error.errno, f"this kernel has no {kind}", remedy) from error
        if error.errno == errno.ENODEV:
            raise StepError(error.errno, f"the host has no device {parent}", "`ip link` lists them") from error
        raise
    finally:
        os.close(namespace)


def _bridge(host: socket.socket, name: str, mtu: int, leases: Sequence[Lease], directory: str) -> int:
    """Return the index of a bridge; one that was not made by us is taken as it is."""
    note = removal_note("bridge", share_folder(name, directory))
    if not note.exists():
        if name in (found for _, found in socket.if_nameindex()):
            return _index(host, name)
        note_messages(NETLINK_ROUTE, [messages.removal(name)], note)
    # Whoever made it may not have come further; all of this can be repeated.
    send_message(host, messages.bridge(name, mtu), accept=(errno.EEXIST,))
    index = _index(host, name)
    for lease in leases:
        send_message(host, messages.address(index, lease.gateway, lease.prefix), accept=(errno.EEXIST,))
    send_message(host, messages.up(index))
    return index


def _configure(namespace: int, interface: str, leases: Sequence[Lease]) -> None:
    with _netlink_in(namespace) as inside:
        index = _index(inside, interface)
        for lease in leases:
            send_message(inside, messages.address(index, lease.address, lease.prefix))
        send_message(inside, messages.up(index))
        for lease in leases:
            if lease.gateway:
                send_message(inside, messages.default_route(index, lease.gateway))


def _netlink_in(namespace: int) -> socket.socket:
    """Return a socket of another network namespace; this thread is there for no longer than it takes to open it."""
    former = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        system_call(Call.setns, namespace, CLONE_NEWNET)
        try:
            return open_netlink(NETLINK_ROUTE)
        finally:
            system_call(Call.setns, former, CLONE_NEWNET)
    finally:
        os.close(former)


def _namespace_of(pid: int) -> int:
    return os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _index(opened: socket.socket, name: str) -> int:
    """Return a link's index in the network namespace of a socket (netdevice(7))."""
    answer = fcntl.ioctl(opened, _SIOCGIFINDEX, struct.pack("16si20x", name.encode("ascii"), 0))
    index: int = struct.unpack_from("16xi", answer)[0]
    return index

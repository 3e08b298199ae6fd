"""Several hosts: network namespaces on one bridge, each with a front and a state directory of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from fastcontainer.fronts import PATIENCE, Front

NETWORK = "10.77.0"
TENANTS = 7000
"""The port of the first tenant, on each host."""

WHERE = """
    import os, signal, socket, threading
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    listening = socket.create_server(("", int(os.environ["PORT"])), backlog=512)
    def serve(connection):
        with connection:
            while data := connection.recv(65536):
                connection.sendall(connection.getsockname()[0].encode() + b" " + data)
    while True:
        threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
"""
"""A service that sends back the address of its host, and what it gets."""


def ip(*words: str, inside: int = 0) -> None:
    """Configure the network, of a process's namespace if one is given."""
    entered = ["nsenter", f"--net=/proc/{inside}/ns/net"] if inside else []
    subprocess.run([*entered, "ip", *words], check=True)


def make_bridge() -> None:
    """Let this namespace reach hosts, which reach each other through it."""
    ip("link", "add", "hosts", "type", "bridge")
    ip("addr", "add", f"{NETWORK}.254/24", "dev", "hosts")
    ip("link", "set", "hosts", "up")


class HostOfFront:
    """A host: a network namespace with an address, and a front that starts containers there.

    Args:
        folder: of the front.
        number: of the host, from 1.
        url: of the state.
        arguments: more of them for the front.

    Attributes:
        name: by which others know it.
        address: of the host.
        front: that is not started yet.
    """

    def __init__(self, folder: Path, number: int, url: str, arguments: Sequence[str] = ()) -> None:
        self.name, self.address = f"host{number}", f"{NETWORK}.{number}"
        self._holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        own = os.stat("/proc/self/ns/net").st_ino
        while os.stat(f"/proc/{self._holder.pid}/ns/net").st_ino == own:
            pass
        outside, inside = f"host{number}", f"eth{number}"
        ip("link", "add", outside, "type", "veth", "peer", inside, "netns", str(self._holder.pid))
        ip("link", "set", outside, "master", "hosts", "up")
        ip("addr", "add", f"{self.address}/24", "dev", inside, inside=self._holder.pid)
        for link in ("lo", inside):
            ip("link", "set", link, "up", inside=self._holder.pid)
        folder.mkdir()
        self.front = Front(folder)
        self.front.prefix = ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net"]
        self.front.arguments = ["--state", url, "--host", self.name, "--address", self.address, *arguments]

    def die(self) -> None:
        """Kill all that it runs, as if it had lost its power."""
        inode = os.stat(f"/proc/{self._holder.pid}/ns/net").st_ino
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (process / "ns/net").stat().st_ino == inode and int(process.name) != self._holder.pid:
                    os.kill(int(process.name), signal.SIGKILL)
        ip("link", "set", self.name, "down")
        self.front.process.wait(PATIENCE)

    def signal(self, number: int) -> None:
        """Send a signal to the process that serves."""
        *_, serving = self.front.events("serving")
        os.kill(serving["pid"], number)

    def close(self) -> None:
        """End all that it runs."""
        self.front.close()
        self._holder.kill()
        self._holder.wait()

    def connect(self, tenant: int = 0) -> socket.socket:
        """Return a connection to its front."""
        return socket.create_connection((self.address, TENANTS + tenant), timeout=PATIENCE)

    def started(self) -> list[str]:
        """Return the names of all instances that it has started."""
        return [event["instance"] for event in self.front.events("started")]


def ask(host: HostOfFront, tenant: int = 0, text: bytes = b"hello") -> str:
    """Make a request to a tenant at a host; return the address of the host that has answered."""
    with host.connect(tenant) as connection:
        connection.sendall(text)
        answer = connection.recv(65536)
    where, _, rest = answer.partition(b" ")
    assert rest == text, answer
    return where.decode()


def write_tenants(front: Front, tenants: Iterable[int], options: str = "", program: str = WHERE) -> None:
    """Write definitions of services, which are the same on all hosts."""
    for tenant in tenants:
        listen = json.dumps([f"0.0.0.0:{TENANTS + tenant}"])
        text = f'protocol = "tcp"\nlisten = {listen}\nport = 0\n{options}'
        front.write(f"tenant{tenant}", program, text, rest="[ns-pid]\n")

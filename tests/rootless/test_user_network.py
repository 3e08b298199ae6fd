"""pasta and slirp4netns: what they publish, forward and hide, and that they end with their container.

The host's side lies in a network namespace of the test's own, with a resolver of its own.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from rootless.conftest import HOME, RUNTIME, SETPRIV, UID, VARIABLES, Done, output
from system.world import libc

from haconiwa_core.linux.constants import CAP_SYS_ADMIN, CLONE_NEWNET
from haconiwa_core.linux.host import start_time
from haconiwa_core.testing import fork, haconiwa_command, needs_program, readme_of

pytestmark = [needs_program("pasta"), needs_program("slirp4netns"), needs_program("ip")]

OUTSIDE = "198.51.100.1"
ANSWER = "192.0.2.77"
"""What the resolver of the host says of every name."""

_CAP_NET_BIND_SERVICE = 10
_MS_BIND = 0x1000
_SECONDS = 8

SERVER = """
import os, signal, socket, sys, threading
signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", int(sys.argv[1])))
tcp = socket.create_server(("0.0.0.0", 80))
print("listening", flush=True)
def echo():
    while True:
        data, peer = udp.recvfrom(100)
        udp.sendto(b"udp " + data, peer)
threading.Thread(target=echo, daemon=True).start()
while True:
    connection = tcp.accept()[0]
    connection.sendall(b"tcp " + connection.recv(100))
    connection.close()
"""

CLIENT = """
import socket, sys
def outcome(address, port):
    try:
        with socket.create_connection((address, port), 5) as connection:
            return connection.recv(100).decode()
    except OSError as error:
        return "refused" if isinstance(error, ConnectionRefusedError) else "unreachable"
print(socket.gethostbyname("www.example.net"))
print(outcome("198.51.100.1", 7001), outcome("10.0.2.2", 7002))
"""


@contextmanager
def own_network() -> Iterator[None]:
    """Give this thread a network namespace of its own, which leads somewhere."""
    former = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    libc("unshare", CLONE_NEWNET)
    try:
        for line in (
            "link set lo up",
            "link add out type veth peer name gateway",
            f"address add {OUTSIDE}/24 dev out",
            "link set out up",
            "link set gateway up",
            "route add default via 198.51.100.254 dev out",
        ):
            subprocess.run(["ip", *line.split()], check=True)
        yield
    finally:
        libc("setns", former, CLONE_NEWNET)
        os.close(former)


def answer_names(resolver: socket.socket) -> None:
    """Answer every question for an address (RFC 1035)."""
    while True:
        question, peer = resolver.recvfrom(512)
        end = question.index(b"\0", 12) + 5
        is_address = question[end - 4 : end - 2] == b"\0\1"
        header = question[:2] + b"\x81\x80\0\1" + (b"\0\1" if is_address else b"\0\0") + b"\0\0\0\0"
        record = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(ANSWER)
        resolver.sendto(header + question[12:end] + record * is_address, peer)


def greet(listener: socket.socket, greeting: bytes) -> None:
    while True:
        with listener.accept()[0] as connection:
            connection.sendall(greeting)


@pytest.fixture(scope="module")
def host(machine: Path) -> Iterator[None]:
    """The host as an ordinary user should find it: tunnels may be opened, names are resolved."""
    libc("mount", b"tmpfs", b"/dev/net", b"tmpfs", 0, b"mode=0755")
    os.mknod("/dev/net/tun", stat.S_IFCHR | 0o666, os.makedev(10, 200))
    Path("/dev/net/tun").chmod(0o666)
    file = machine / "resolv.conf"
    file.write_text(f"nameserver {OUTSIDE}\n")
    libc("mount", bytes(file), b"/etc/resolv.conf", None, _MS_BIND, None)
    with own_network():
        resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        resolver.bind((OUTSIDE, 53))
        listeners = [socket.create_server(place) for place in ((OUTSIDE, 7001), ("127.0.0.1", 7002))]
        greetings = zip(listeners, (b"outside", b"loopback"), strict=True)
        # No threads: a process with several cannot leave its mount tree again.
        services = [fork(partial(answer_names, resolver)), *(fork(partial(greet, *each)) for each in greetings)]
        yield
        for pid in services:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for opened in (resolver, *listeners):
            opened.close()


def definition(
    folder: Path, helper: str, *, name: str = "web", user: bool = True, port: int = 0, more: str = ""
) -> Path:
    """Write a container that serves, or asks, through a helper."""
    # By UDP under its own number: pasta of 2023 loses answers otherwise.
    ports = f'["127.0.0.1:{port}:80", "127.0.0.1:{port}:{port}/udp"]' if port else "[]"
    file = folder / f"{name}.toml"
    file.write_text(f"""
name = "{name}"
command = ["/usr/bin/python3", "-I", "-c", '''{SERVER if port else CLIENT}''', "{port}"]
{"[ns-user]" if user else ""}
[ns-mount]
[ns-net]
[ns-pid]
[chroot]
root = "/"
[mount]
proc = true
[user-network]
helper = "{helper}"
ports = {ports}
{more}
""")
    return file


@pytest.fixture(params=["pasta", "slirp4netns"])
def helper(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


class Caller:
    """An ordinary user, or root."""

    def __init__(self, folder: Path, uid: int) -> None:
        self.folder, self.uid = folder, uid
        self.state = RUNTIME / "haconiwa" if uid else folder / "state"

    def run(self, *arguments: object) -> Done:
        return subprocess.run(
            self._line(*arguments), check=False, capture_output=True, text=True, timeout=60, **self._options
        )

    @contextmanager
    def running(self, file: Path, **more: object) -> Iterator[subprocess.Popen[str]]:
        """Run in the foreground, until it listens."""
        line = self._line("run", "--rm", file)
        with subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **self._options, **more
        ) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "listening\n", process.stderr and process.stderr.read()
                yield process
            finally:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_SECONDS)
                process.kill()

    def helpers(self) -> set[int]:
        """Return what has been noted of processes that serve containers and still run."""
        noted = [file.read_text().split() for file in self.state.glob("*/process-*")]
        return {int(pid) for pid, started in noted if start_time(int(pid)) == int(started) and is_running(int(pid))}

    def _line(self, *arguments: object) -> list[str]:
        command = [*haconiwa_command(), *map(str, arguments)]
        if not self.uid:
            return command
        python = ["/usr/bin/python3", "-m", "haconiwa_core", *map(str, arguments)]
        return [SETPRIV, f"--reuid={UID}", f"--regid={UID}", "--clear-groups", *python]

    @property
    def _options(self) -> dict[str, object]:
        own = VARIABLES if self.uid else {**os.environ, "HACONIWA_STATE": str(self.state)}
        return {"cwd": self.folder, "env": own}


@pytest.fixture(params=["user", "root"])
def caller(request: pytest.FixtureRequest, host: None, tmp_path: Path) -> Caller:
    return Caller(HOME, UID) if request.param == "user" else Caller(tmp_path, 0)


def free_port() -> int:
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        port: int = tcp.getsockname()[1]
        return port


def asked(port: int) -> tuple[bytes, bytes]:
    """Return what a server says by TCP and by UDP."""
    with socket.create_connection(("127.0.0.1", port), _SECONDS) as tcp:
        tcp.sendall(b"hello")
        by_tcp = tcp.recv(100)
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.settimeout(_SECONDS)
        udp.sendto(b"hello", ("127.0.0.1", port))
        return by_tcp, udp.recv(100)


def is_running(pid: int) -> bool:
    """Return whether a process has not ended; one that nobody reaps has."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def is_gone(pid: int) -> bool:
    deadline = time.monotonic() + _SECONDS
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_running(pid)


def helpers_of_all() -> set[int]:
    """Return the processes that are pasta or slirp4netns, whoever has started them."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "comm").read_text().startswith(("passt", "pasta", "slirp4netns")):
                found.add(int(folder.name))
    return {pid for pid in found if is_running(pid)}


def more_for(helper: str) -> str:
    """Return the options with which a helper answers by UDP on the host's loopback."""
    return "host_loopback = true" if helper == "slirp4netns" else ""


def test_ports_are_published_until_the_container_ends(caller: Caller, helper: str) -> None:
    port = free_port()
    with caller.running(definition(caller.folder, helper, port=port, more=more_for(helper))) as process:
        (serving,) = caller.helpers()
        assert asked(port) == (b"tcp hello", b"udp hello")
        process.send_signal(signal.SIGTERM)
        process.wait(_SECONDS)
        assert is_gone(serving)
    with pytest.raises(ConnectionRefusedError):
        asked(port)


def test_names_are_resolved_and_the_hosts_loopback_is_not_reached(caller: Caller, helper: str) -> None:
    closed = output(caller.run("run", "--rm", definition(caller.folder, helper)))
    opened = output(caller.run("run", "--rm", definition(caller.folder, helper, more="host_loopback = true")))
    assert closed.split()[:2] == [ANSWER, "outside"]
    assert closed.split()[2] != "loopback"
    assert opened.split() == [ANSWER, "outside", "loopback"]


def test_several_at_once_and_none_outlives_its_container(caller: Caller, helper: str) -> None:
    ports = [free_port() for _ in range(3)]
    files = [
        definition(caller.folder, helper, name=f"web{index}", port=port, more=more_for(helper))
        for index, port in enumerate(ports)
    ]
    with ExitStack() as stack:
        for file in files:
            stack.enter_context(caller.running(file))
        assert len(caller.helpers()) == len(ports)
        assert [asked(port) for port in ports] == [(b"tcp hello", b"udp hello")] * len(ports)
        serving = caller.helpers()
    assert all(map(is_gone, serving))


def test_it_serves_a_container_in_the_background_and_again(caller: Caller, helper: str) -> None:
    port = free_port()
    file = definition(caller.folder, helper, port=port, more=more_for(helper))
    try:
        for _ in range(2):
            output(caller.run("run", "-d", "--name", "back", file))
            (serving,) = caller.helpers()
            wait_until_it_listens(caller)
            assert asked(port)[0] == b"tcp hello"
            output(caller.run("stop", "back"))
            assert is_gone(serving)
            output(caller.run("rm", "back"))
    finally:
        caller.run("rm", "--force", "back")


def wait_until_it_listens(caller: Caller) -> None:
    """Wait for what the server says then: connections that are forwarded before may stay unanswered."""
    deadline = time.monotonic() + _SECONDS
    while "listening" not in caller.run("logs", "back").stdout:
        if time.monotonic() > deadline:
            raise TimeoutError(f"it does not listen after {_SECONDS} s")
        time.sleep(0.05)


def test_the_example_of_the_readme(caller: Caller) -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```$", readme_of("haconiwa-user-network"), re.MULTILINE | re.DOTALL)
    file = caller.folder / "example.toml"
    file.write_text(text)
    output(caller.run("run", "--rm", file))


def test_it_ends_by_gc_when_everybody_was_killed(caller: Caller, helper: str) -> None:
    with caller.running(definition(caller.folder, helper, port=free_port(), more=more_for(helper))) as process:
        (serving,) = caller.helpers()
        process.kill()
        process.wait(_SECONDS)
        assert is_running(serving)
        output(caller.run("gc"))
        assert is_gone(serving)
    assert list(caller.state.glob("web*")) == []


def test_a_start_that_fails_leaves_none(caller: Caller, helper: str) -> None:
    port = free_port()
    before = helpers_of_all()
    with socket.create_server(("127.0.0.1", port)):
        refused = caller.run("run", "--rm", definition(caller.folder, helper, port=port, more=more_for(helper)))
    assert (refused.returncode, f"start_{helper}" in refused.stderr) == (125, True), refused.stderr
    file = definition(caller.folder, helper)
    file.write_text(file.read_text().replace("/usr/bin/python3", "/usr/bin/absent"))
    failed = caller.run("run", "--rm", file)
    assert failed.returncode == 127, failed.stderr
    assert helpers_of_all() == before


def test_it_has_neither_rights_nor_files_of_the_starter(caller: Caller, helper: str) -> None:
    given = os.open("/etc/hostname", os.O_RDONLY)
    os.set_inheritable(given, True)
    file = definition(caller.folder, helper, port=free_port(), more=more_for(helper))
    with caller.running(file, pass_fds=(given,)):
        (serving,) = caller.helpers()
        place = Path(f"/proc/{serving}")
        opened = {os.readlink(link) for link in (place / "fd").iterdir()}
        rights = dict(line.split(":\t") for line in (place / "status").read_text().splitlines() if ":\t" in line)
        variables = (place / "environ").read_bytes()
    os.close(given)
    assert "/etc/hostname" not in opened
    # Ports below 1024 are all that is left, or what the container's own user namespace gives.
    assert int(rights["CapEff"], 16) & ~(1 << _CAP_NET_BIND_SERVICE | 1 << CAP_SYS_ADMIN) == 0
    assert rights["NoNewPrivs"] == "1"
    assert {item.partition(b"=")[0] for item in variables.split(b"\0") if item} <= {b"PATH", b"PWD", b"OLDPWD"}

"""What binds give away: the finding, the harm, and neither once less is bound."""

import ctypes
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from haconiwa_mount import Bind, Mount, Tmpfs
from haconiwa_mount.findings import CONTROL_SOCKETS

from haconiwa_core.facts import Namespace
from haconiwa_core.linux.constants import CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, MS_PRIVATE
from haconiwa_core.testing import all_plugins, needs_root, plan_of, run

NEW = (Namespace("mnt", CLONE_NEWNS), Namespace("pid", CLONE_NEWPID), Namespace("net", CLONE_NEWNET))
CONNECT = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.send(sys.argv[2].encode())"
_MS_REC = 0x4000


def codes(feature: Mount, folder: str = "") -> list[str]:
    return [finding.code for finding in all_plugins().findings("mount", plan_of(feature, facts=NEW, folder=folder))]


@pytest.mark.parametrize(
    ("bind", "expected"),
    [
        (Bind("/proc", "/mnt"), ["BIND-HOST-PROC"]),
        (Bind("/proc/1/root", "/mnt"), ["BIND-HOST-PROC"]),
        (Bind("//proc/../proc/", "/mnt"), ["BIND-HOST-PROC"]),
        (Bind("../proc", "/mnt"), ["BIND-HOST-PROC"]),
        (Bind("/", "/mnt"), ["BIND-HOST-PROC", "BIND-CONTROL-SOCKET"]),
        (Bind("/", "/mnt", recursive=False), []),
        (Bind("/run", "/mnt"), ["BIND-CONTROL-SOCKET"]),
        (Bind("/run", "/mnt", recursive=False), ["BIND-CONTROL-SOCKET"]),
        (Bind("/var/run/docker.sock", "/mnt"), ["BIND-CONTROL-SOCKET"]),
        (Bind("/run/user", "/mnt"), []),
        (Bind("/processes", "/mnt"), []),
        (Bind("/var/running", "/mnt"), []),
        (Bind("/usr", "/mnt"), []),
    ],
    ids=lambda value: f"{value.source} {value.recursive}" if isinstance(value, Bind) else "",
)
def test_which_binds_are_told(bind: Bind, expected: list[str]) -> None:
    assert codes(Mount(bind=[bind]), "/srv") == expected


def test_nothing_is_told_without_binds() -> None:
    assert codes(Mount(proc=True)) == []
    assert list(all_plugins().findings("mount", plan_of())) == []


@needs_root
def test_the_hosts_proc_tells_of_its_processes() -> None:
    secret = secrets.token_hex()

    def tells(feature: Mount, place: str) -> bool:
        path = f"{place}/{bait.pid}/environ"
        return secret in run(feature, command=["cat", path], facts=NEW).stdout

    with subprocess.Popen(["sleep", "600"], env={"SECRET": secret}) as bait:
        bound = Mount(proc=True, bind=[Bind("/proc", "/mnt")])
        assert codes(bound) == ["BIND-HOST-PROC"]
        assert tells(bound, "/mnt")
        own = Mount(proc=True)
        assert codes(own) == []
        assert not tells(own, "/mnt")
        assert not tells(own, "/proc")
        bait.kill()


@pytest.fixture
def own_run() -> Iterator[None]:
    """Put this process into a mount namespace with an empty /run, for a socket of this test's own."""
    libc = ctypes.CDLL(None, use_errno=True)
    former = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    folder = os.getcwd()
    assert libc.unshare(CLONE_NEWNS) == 0
    try:
        assert libc.mount(None, b"/", None, _MS_REC | MS_PRIVATE, None) == 0
        assert libc.mount(b"tmpfs", b"/run", b"tmpfs", 0, None) == 0
        yield
    finally:
        assert libc.setns(former, CLONE_NEWNS) == 0
        os.close(former)
        os.chdir(folder)


@needs_root
@pytest.mark.parametrize("path", CONTROL_SOCKETS)
@pytest.mark.usefixtures("own_run")
def test_a_read_only_socket_takes_orders(path: str) -> None:
    order = secrets.token_hex()

    def obeyed(feature: Mount) -> bool:
        program = [sys.executable, "-I", "-S", "-c", CONNECT, f"/mnt/{Path(path).name}", order]
        outcome = run(feature, command=program, facts=NEW)
        assert outcome.exit_status == 0 or "Error" in outcome.stderr
        try:
            connection, _ = service.accept()
        except BlockingIOError:
            return False
        with connection:
            return connection.recv(len(order)) == order.encode()

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(path)
        service.listen()
        service.setblocking(False)
        covered = Tmpfs("/run")
        bound = Mount(tmpfs=[covered], bind=[Bind(str(Path(path).parent), "/mnt")])
        assert codes(bound) == ["BIND-CONTROL-SOCKET"]
        assert obeyed(bound)
        less = Mount(tmpfs=[covered, Tmpfs("/mnt")])
        assert codes(less) == []
        assert not obeyed(less)

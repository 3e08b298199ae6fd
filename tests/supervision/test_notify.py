"""Messages of sd_notify, sent from inside real containers by a real program."""

from __future__ import annotations

import array
import asyncio
import os
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_mount import Bind, Mount, Tmpfs
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_user import UserNamespace
from haconiwa_supervision import Ready, Supervision
from haconiwa_supervision.readiness.notify import INSIDE, VARIABLE, Notifications, bound, environment_of

from haconiwa_core.errors import HaconiwaError, SetupError
from haconiwa_core.facts import IdRange
from haconiwa_core.feature import Feature
from haconiwa_core.host import gather
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.start import start
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing import (
    busybox_root,
    functions,
    host,
    needs_program,
    needs_root,
    plan_of,
    problems_of,
    started,
)
from haconiwa_core.testing.running import INSTANCE

SUPERVISION = Supervision(ready=Ready(notify=True))

USER = 1234


@contextmanager
def notifying(
    store: Path, *features: Feature, command: Sequence[str], name: str = INSTANCE
) -> Iterator[tuple[Running, socket.socket]]:
    """Keep a container, and the socket of its messages."""
    own = (SUPERVISION, *features)
    claim = Store(store).claim(name)
    opened = bound(claim.directory)
    added = environment_of(plan_of(*own, host=gather(), command=command), claim.directory)
    plan = plan_of(*own, host=gather(), command=command, env=added)
    with opened, open(os.devnull, "r+") as null:
        running = start(plan, claim, dict.fromkeys(("stdin", "stdout", "stderr"), null.fileno()))
        try:
            yield running, opened
        finally:
            running.kill()
            running.wait()
            running.remove()


def heard(opened: socket.socket, enough: Callable[[list[tuple[str, str]]], bool], timeout: float = 20) -> list:
    """Return what is heard until that is enough."""
    found: list[tuple[str, str]] = []

    async def main() -> None:
        notifications = Notifications(opened.dup(), lambda what, text: found.append((what, text)))
        try:
            async with asyncio.timeout(timeout):
                while not enough(found):
                    await asyncio.sleep(0.01)
        finally:
            notifications.close()

    asyncio.run(main())
    return found


def is_ready(found: list[tuple[str, str]]) -> bool:
    return ("READY", "") in found


def host_programs(root: Path) -> list[Feature]:
    """Return a root of its own in which the host's programs run."""
    busybox_root(root)
    # A user namespace's root may make nothing in it.
    for folder in ("usr", "lib", "lib64", "run"):
        (root / folder).mkdir()
    (root / "run" / "haconiwa-notify").touch()
    binds = [Bind(folder, folder) for folder in ("/usr", "/lib", "/lib64") if os.path.exists(folder)]
    return [MountNamespace(), PidNamespace(), Chroot(str(root)), Mount(proc=True, bind=binds)]


SENDS = ["/usr/bin/systemd-notify", "--ready", "--status=Serving"]
EXPECTED = {("READY", ""), ("STATUS", "Serving")}

real = [needs_root, needs_program("systemd-notify"), needs_program("busybox")]


def marked(function: Callable) -> Callable:
    for mark in real:
        function = mark(function)
    return function


@marked
@pytest.mark.parametrize("mounts", [False, True])
def test_from_the_hosts_root(tmp_path: Path, mounts: bool) -> None:
    features = [MountNamespace()] if mounts else []
    with notifying(tmp_path / "state", *features, command=SENDS) as (_, opened):
        assert set(heard(opened, is_ready)) == EXPECTED


OTHERS: dict[str, list[Feature]] = {
    "root": [],
    "user": [Credentials(uid=USER, gid=USER)],
    "user namespace": [
        UserNamespace(uid_map=[IdRange(0, 100_000, 65_536)], gid_map=[IdRange(0, 100_000, 65_536)]),
    ],
    "tmpfs": [Mount(tmpfs=[Tmpfs("/run")])],
}


@marked
@pytest.mark.parametrize("name", OTHERS)
def test_from_another_root(tmp_path: Path, name: str) -> None:
    features = {feature.section: feature for feature in host_programs(tmp_path / "root")}
    binds = features["mount"].bind
    tmp_path.chmod(0o755)
    for feature in OTHERS[name]:
        features[feature.section] = feature
    if name == "tmpfs":
        features["mount"] = Mount(proc=True, bind=binds, tmpfs=[Tmpfs("/run")])
    with notifying(tmp_path / "state", *features.values(), command=SENDS) as (_, opened):
        assert set(heard(opened, is_ready)) == EXPECTED


@marked
def test_the_socket_is_all_that_is_seen_of_the_instance(tmp_path: Path) -> None:
    features = host_programs(tmp_path / "root")
    source = (
        "import os, socket, stat, sys\n"
        f"status = os.stat({INSIDE!r})\n"
        "found = [stat.S_ISSOCK(status.st_mode), os.environ['NOTIFY_SOCKET'], os.listdir('/run')]\n"
        "sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "sender.sendto(f'STATUS={found}'.encode(), os.environ['NOTIFY_SOCKET'])\n"
    )
    python = os.path.realpath(sys.executable)
    if not python.startswith("/usr/"):
        python = "/usr/bin/python3"
    with notifying(tmp_path / "state", *features, command=[python, "-I", "-c", source]) as (_, opened):
        assert heard(opened, bool) == [("STATUS", f"[True, '{INSIDE}', ['haconiwa-notify']]")]


@marked
def test_one_container_does_not_speak_for_another(tmp_path: Path) -> None:
    features = host_programs(tmp_path / "root")
    with (
        notifying(tmp_path / "state", *features, command=SENDS, name="speaks") as (_, speaks),
        notifying(tmp_path / "state", *features, command=["sleep", "600"], name="silent") as (_, silent),
    ):
        assert set(heard(speaks, is_ready)) == EXPECTED
        with pytest.raises(BlockingIOError):
            silent.recv(1)


@marked
def test_a_start_without_anybody_who_listens_fails(tmp_path: Path) -> None:
    features = host_programs(tmp_path / "root")
    with pytest.raises(SetupError, match="nobody waits for its messages") as caught, started(SUPERVISION, *features):
        pass
    assert (caught.value.plugin, caught.value.stage) == ("supervision", "PREPARE")
    assert "start it with a supervisor" in caught.value.remedy


@needs_root
def test_a_flood_holds_up_nobody(tmp_path: Path) -> None:
    source = """
import os, socket
sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
while True:
    sender.sendto(b"STATUS=" + bytes(3000), os.environ["NOTIFY_SOCKET"])
"""
    ticks = 0

    def enough(found: list[tuple[str, str]]) -> bool:
        nonlocal ticks
        ticks += 1
        return len(found) > 100

    command = [sys.executable, "-I", "-c", source]
    with notifying(tmp_path / "state", command=command) as (_, opened):
        began = time.process_time()
        found = heard(opened, enough)
        assert {len(text) for _, text in found} == {256}
        # 100 messages take 0.3 s at least, in which little is done.
        assert ticks > 10
        assert time.process_time() - began < 2


def messages(tmp_path: Path, *sent: bytes) -> list[tuple[str, str]]:
    """Return what is heard of messages, the last of which is READY=1."""
    opened = bound(tmp_path)
    with opened, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        for message in (*sent, b"READY=1"):
            sender.sendto(message, str(tmp_path / "notify"))
        return heard(opened, is_ready)[:-1]


def test_what_messages_mean(tmp_path: Path) -> None:
    assert messages(tmp_path, b"STOPPING=1\nSTATUS=a=b\nMAINPID=1\n") == [("STOPPING", ""), ("STATUS", "a=b")]
    assert messages(tmp_path, b"READY=0\nREADY=11\nREADY\nready=1\nXREADY=1\nSTOPPING=") == []
    assert messages(tmp_path, b"STATUS=" + bytes([0xFF, 0x1B])) == [("STATUS", "\ufffd\x1b")]
    assert messages(tmp_path, b"STATUS=" + b"x" * 5000, b"", b"\n", b"=") == []
    assert messages(tmp_path, b"STATUS=" + b"x" * 4000) == [("STATUS", "x" * 256)]


def test_descriptors_that_are_sent_along_are_closed(tmp_path: Path) -> None:
    opened = bound(tmp_path)
    reading, writing = os.pipe()
    with opened, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(str(tmp_path / "notify"))
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writing]))
        sender.sendmsg([b"READY=1"], [rights])
        os.close(writing)
        before = len(os.listdir("/proc/self/fd"))
        assert select.select([reading], [], [], 0)[0] == []
        assert heard(opened, is_ready) == [("READY", "")]
        # Nobody has the other end any more.
        assert os.read(reading, 1) == b""
        assert len(os.listdir("/proc/self/fd")) == before
    os.close(reading)


def test_it_can_be_closed_by_who_hears(tmp_path: Path) -> None:
    opened = bound(tmp_path)
    found: list[str] = []

    async def main() -> None:
        notifications = Notifications(opened, lambda what, _: (found.append(what), notifications.close()))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"READY=1", str(tmp_path / "notify"))
        await asyncio.sleep(0.3)

    asyncio.run(main())
    assert found == ["READY"]
    assert opened.fileno() == -1


def test_a_socket_is_made_anew_and_nothing_else_is_replaced(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 128)
    long.mkdir()
    with bound(long) as former, bound(long) as latter:
        status = os.stat(long / "notify")
        assert status.st_mode & 0o777 == 0o666
        folder = os.open(long, os.O_RDONLY)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"READY=1", f"/proc/self/fd/{folder}/notify")
        os.close(folder)
        assert latter.recv(100) == b"READY=1"
        with pytest.raises(BlockingIOError):
            former.recv(100)
    (tmp_path / "notify").mkdir()
    with pytest.raises(IsADirectoryError):
        bound(tmp_path)


def test_where_it_is_told_to_be() -> None:
    root = [MountNamespace(), Chroot("/srv")]
    assert environment_of(plan_of(SUPERVISION, *root), Path("/x")) == {VARIABLE: INSIDE}
    assert environment_of(plan_of(SUPERVISION, MountNamespace()), Path("/x")) == {VARIABLE: "/x/notify"}
    assert environment_of(plan_of(Supervision(), *root), Path("/x")) == {}
    assert environment_of(plan_of(*root), Path("/x")) == {}
    with pytest.raises(HaconiwaError, match="longer than the path of a socket"):
        environment_of(plan_of(SUPERVISION), Path("/x", "y" * 120))


def test_what_is_planned_for_it() -> None:
    root = [MountNamespace(), Chroot("/srv"), Mount(tmpfs=[Tmpfs("/run")])]
    plan = plan_of(SUPERVISION, *root)
    assert functions(plan, "supervision") == ["open_socket", "attach_below_root"]
    # Over what is mounted on /run, not under it.
    assert [item.plugin for item in plan.steps if item.step.function.__name__ == "attach_below_root"] == [
        "mount",
        "supervision",
    ]
    assert functions(plan_of(SUPERVISION, *root, entry="attach"), "supervision") == []
    assert functions(plan_of(SUPERVISION), "supervision") == []


REFUSED: dict[str, tuple[list[Feature], str]] = {
    "chroot": ([Chroot("/srv")], "another root without a mount namespace; add ns-mount"),
    "joined": ([MountNamespace(join="/run/kept")], "a mount namespace that is joined"),
    "user": ([Credentials(uid=USER)], "by another user than the supervisor's in the host's root; add chroot"),
    "user namespace": (
        [MountNamespace(), UserNamespace(uid_map=[IdRange(0, 100_000)], gid_map=[IdRange(0, 100_000)])],
        "by another user than the supervisor's in the host's root; add chroot",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_not_be_reached_is_refused(name: str) -> None:
    features, expected = REFUSED[name]
    (problem,) = problems_of(SUPERVISION, *features)
    assert (problem.section, problem.key) == ("supervision", "ready.notify")
    assert expected in f"{problem.text}; {problem.hint}"
    assert problems_of(Supervision(), *features) == ()


def test_an_ordinary_user_has_it_in_the_hosts_root_only() -> None:
    facts = host(uid=1000, gid=1001, capabilities=0)
    namespaces = [UserNamespace(), MountNamespace()]
    (problem,) = problems_of(SUPERVISION, *namespaces, Chroot("/srv"), host=facts)
    assert "needs CAP_SYS_ADMIN" in problem.text
    assert problems_of(SUPERVISION, *namespaces, host=facts) == ()


@needs_root
@needs_program("systemd-notify")
def test_a_user_namespace_whose_root_is_the_supervisors(tmp_path: Path) -> None:
    with notifying(tmp_path / "state", UserNamespace(), MountNamespace(), command=SENDS) as (_, opened):
        assert set(heard(opened, is_ready)) == EXPECTED

"""The probe: built once, and run by a caller on a terminal who is full of bait."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from glob import glob
from pathlib import Path
from typing import Literal, NamedTuple

import pytest
from haconiwa_capabilities.names import Capability
from haconiwa_credentials import Credentials
from haconiwa_hardened import Hardened
from system.caller import KEY, SECRET, bait, on_a_terminal
from system.world import PLUGINS, libc, started

from haconiwa_core.container import Container
from haconiwa_core.feature import Feature
from haconiwa_core.host import gather
from haconiwa_core.launch.choice import choose_launcher
from haconiwa_core.planning.plan import Plan
from haconiwa_core.planning.planner import plan
from haconiwa_core.runtime.attach import attach
from haconiwa_core.runtime.record import Process
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.start import start
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing import forked

CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE"),
    *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
)
"""All that the root of a container may be permitted."""

IDS = Hardened(root="/").ids
"""The host's user who is root in a hardened container."""

PIDS = 32
MEMORY = 64 << 20
FILES = 1024
"""What the container's limits are to be."""

PROGRAM = "/probe"
SET_USER_ID = "/probe-suid"
"""Where it lies in a root, and once more with a set-user-ID bit."""

DIRECTORY = "/tmp"
"""The container's working directory."""

Streams = Mapping[str, int]
Caller = Callable[[Streams, Sequence[str]], None]
Change = Callable[[Plan], Plan]

_IPC_CREAT, _IPC_RMID = 0o1000, 0
_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")


class Finding(NamedTuple):
    """What one check has found: "open", "closed" or "skip", and more for people."""

    verdict: str
    detail: str


Findings = dict[str, Finding]


def hardened(root: Path, *, ids: int | Literal["host"] = IDS, user: int = 0) -> list[Feature]:
    """Return the features of a hardened container, as tightly limited as the probe is told.

    Args:
        root: on the host; the probe is put into it.
        ids: as Hardened has it.
        user: who runs the command.
    """
    features: list[Feature] = [Hardened(root=str(root), ids=ids, memory=MEMORY, pids=PIDS)]
    return [*features, Credentials(uid=user, gid=user)] if user else features


def build(folder: Path) -> Path:
    """Build the probe in a folder; without a compiler the test is skipped."""
    compiler = shutil.which("gcc")
    if not compiler:
        pytest.skip("needs gcc, to build a static program that tries to escape")
    program = folder / "probe"
    sources = sorted(Path(__file__).parent.glob("*.c"))
    subprocess.run([compiler, "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", program, *sources], check=True)
    return program


def install(program: Path, root: Path, owner: int) -> None:
    """Put the probe into a root.

    Args:
        program: the probe.
        root: of a container.
        owner: of the copy with the set-user-ID bit, on the host.
    """
    shutil.copy(program, root / PROGRAM.strip("/"))
    copy = root / SET_USER_ID.strip("/")
    shutil.copy(program, copy)
    os.chown(copy, owner, owner)
    copy.chmod(0o4755)


def opened(findings: Findings) -> set[str]:
    """Return the checks that found something open."""
    return {name for name, finding in findings.items() if finding.verdict == "open"}


def probed(folder: Path, caller: Caller, set_user_id: str = SET_USER_ID) -> Findings:
    """Return what the probe says that somebody calls; nothing if it does not come to run.

    Args:
        folder: for a file that is the caller's secret.
        caller: runs the probe with the streams and the arguments that it is given, from a process that has a
            controlling terminal, and much else that must not be handed on.
        set_user_id: the path of the set-user-ID copy, as the probe sees it.
    """
    secret = folder / "secret"
    secret.write_text(SECRET)
    sink = os.memfd_create("said")

    def called() -> None:
        bait(secret)
        terminal = os.dup(0)
        # What the probe is given as its standard input is not what the caller has there.
        os.dup2(20, 0)
        with _left_on_host() as left:
            streams = {"stdin": terminal, "stdout": sink, "stderr": sink}
            caller(streams, [*_arguments(streams), f"suid={set_user_id}", *left])

    try:
        on_a_terminal(called)
        rows = [json.loads(line) for line in os.pread(sink, 1 << 20, 0).decode().splitlines()]
        assert rows[-1:] in ([], [{"end": True}])
        return {row["check"]: Finding(row["verdict"], row["detail"]) for row in rows[:-1]}
    finally:
        os.close(sink)


def on_the_host(program: Path, user: int = 0) -> Caller:
    """Return a caller without any container, as a user that has none of root's rights unless it is 0."""

    def call(streams: Streams, arguments: Sequence[str]) -> None:
        def run() -> None:
            os.dup2(streams["stdin"], 0)
            os.dup2(streams["stdout"], 1)
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            os.execve(program, ["probe", *arguments], {**os.environ, "SECRET": SECRET})

        forked(run)

    return call


def _unchanged(plan: Plan) -> Plan:
    return plan


def starting(
    features: Sequence[Feature], program: str = PROGRAM, change: Change = _unchanged, launcher: str = "direct"
) -> Caller:
    """Return a caller that starts a container in which the probe runs.

    Args:
        features: of the container.
        program: where the probe lies in it.
        change: makes another plan of its plan.
        launcher: what starts it.
    """

    def call(streams: Streams, arguments: Sequence[str]) -> None:
        container = _container([program, *arguments], features)
        made = change(plan(container, gather(), PLUGINS))
        with closing(choose_launcher(launcher)) as used:
            running = start(made, Store().claim_unique("probe"), streams, launcher=used)
            running.wait()
        running.remove()

    return call


def entering(
    running: Running, features: Sequence[Feature], change: Change = _unchanged, launcher: str = "direct"
) -> Caller:
    """Return a caller that puts the probe into a container.

    Args:
        running: the container, as `waiting` gives it.
        features: of the container.
        change: makes another plan of the probe's.
        launcher: what puts it there.
    """

    def call(streams: Streams, arguments: Sequence[str]) -> None:
        container = _container([PROGRAM, *arguments], features)
        made = change(plan(container, gather(), PLUGINS, "attach"))
        with closing(choose_launcher(launcher)) as used:
            attach(made, running.name, Process.of(running.pid), streams, used).reap(with_group=True)

    return call


@contextmanager
def waiting(features: Sequence[Feature]) -> Iterator[Running]:
    """Keep a container running that does nothing."""
    running = started(Container("probe", [PROGRAM, "wait"], features, stdin="null", stdout="null", stderr="null"))
    try:
        yield running
    finally:
        running.kill()
        running.finish(remove=True)


def _container(command: Sequence[str], features: Sequence[Feature]) -> Container:
    user = next((feature.uid for feature in features if isinstance(feature, Credentials)), 0)
    return Container("probe", [*command, f"user={user}"], features, workdir=DIRECTORY)


@contextmanager
def _left_on_host() -> Iterator[list[str]]:
    """Leave things of the host that are found by their names, and yield arguments that tell these."""
    key = secrets.randbits(31)
    memory = libc("shmget", key, 4096, _IPC_CREAT | 0o666)
    name = f"haconiwa-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"\0{name}")
        listening.listen()
        try:
            yield [f"ipc-key={key}", f"socket={name}", f"key={KEY}"]
        finally:
            libc("shmctl", memory, _IPC_RMID, None)


def _arguments(streams: Streams) -> Iterator[str]:
    """Yield what this process's host has, and what a container may have."""
    yield f"capabilities={sum(1 << Capability[f'CAP_{name}'] for name in CAPABILITIES):x}"
    for kind in _NAMESPACES:
        yield f"ns-{kind}={os.readlink(f'/proc/self/ns/{kind}')}"
    yield f"hostname={os.uname().nodename}"
    yield f"process={os.getpid()}"
    yield f"root={_identity(os.stat('/'))}"
    yield f"block={block_device()}"
    yield f"streams={','.join(_identity(os.fstat(streams[name])) for name in ('stdin', 'stdout', 'stderr'))}"
    yield f"directory={DIRECTORY}"
    yield "environment=PATH"
    yield f"limits=core:0,nofile:{FILES}"
    yield f"pids={PIDS}"
    yield f"memory={MEMORY}"


def _identity(status: os.stat_result) -> str:
    return f"{status.st_dev}:{status.st_ino}"


def block_device() -> str:
    """Return the number of a block device of the host that can be opened, or ""."""
    for path in glob("/dev/loop[0-9]*"):
        try:
            os.close(os.open(path, os.O_RDONLY))
        except OSError:
            continue
        number = os.stat(path).st_rdev
        return f"{os.major(number)}:{os.minor(number)}"
    return ""

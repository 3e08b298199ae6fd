"""A thousand containers under one supervisor: what they take of memory and time that is ours.

    python bench/density.py [CONTAINERS [FILE]]

Starts a supervisor of its own on a state directory in /dev/shm, then containers one after the other, each with a
mount, pid, UTS, IPC and network namespace, a root of its own and a log, whose command sleeps; lists and stops them.
The same container is made by plain C as often (`floor.c` does it once and ends it; here it is left running), for
the kernel itself gets slower with what already runs. Needs root and busybox-static.

FILE gets the course of it as JSON, which docs/pictures/density.py draws: after each twentieth of the containers how
many there are, KiB of memory that our processes take, and the median of the starts since the former.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from haconiwa_chroot import Chroot
from haconiwa_ns_ipc import IpcNamespace
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_net import NetNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_uts import UtsNamespace
from haconiwa_supervision.control.resident import ResidentSupervisor

from haconiwa_core import Container
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.store import Store
from haconiwa_core.runtime.supervisor import Start

FEATURES = (MountNamespace(), PidNamespace(), UtsNamespace(), IpcNamespace(), NetNamespace())
COMMAND = ["/busybox", "sleep", "100000"]
SAMPLE = 20
"""How many starts the first and the last are the median of."""
POINTS = 20
"""Of the course that is written to a file."""

PEERS = "for comparison, KiB of memory for each container: conmon 388, the shim of containerd 3430"


def main(count: int, file: Path | None) -> None:
    """Measure, and print."""
    course: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        root = Path(folder, "root")
        root.mkdir()
        shutil.copy("/bin/busybox", root / "busybox")
        ours = _measure(Path(folder, "state"), root, count, course)
        kernel = _kernel(root, count)
    if file:
        file.write_text(json.dumps(course, indent=1) + "\n", "utf-8")
    for name, value in ours.items():
        print(f"{name:48} {value}")
    print(f"{'last start to first, of the kernel alone':48} {kernel:.2f}x")
    print(PEERS)


def _measure(state: Path, root: Path, count: int, course: list[dict[str, float]]) -> dict[str, str]:
    container = Container("dense", COMMAND, [*FEATURES, Chroot(root=str(root))]).detached()
    store = Store(state)
    wanted = Start([container], store, Plugins(), "dense-0")
    supervisor = ResidentSupervisor()
    told: dict[str, str] = {}
    with _supervisor(state) as process:
        empty = _memory(process, state)
        seconds: list[float] = []
        for number in range(count):
            began = time.perf_counter()
            supervisor.start(wanted._replace(name=f"dense-{number}"))
            seconds.append(time.perf_counter() - began)
            if (number + 1) % max(count // POINTS, 1) == 0:
                since = statistics.median(seconds[-max(count // POINTS, 1) :])
                memory = _memory(process, state)
                course.append({"containers": number + 1, "kib": memory, "milliseconds": round(since * 1e3, 3)})
        full = _memory(process, state)
        first, last = (statistics.median(part) for part in (seconds[1 : SAMPLE + 1], seconds[-SAMPLE:]))
        told["containers"] = str(count)
        told["memory of the supervisor, empty and full"] = f"{empty} KiB, {full} KiB (PSS of all our processes)"
        told["memory for each container"] = f"{full / count:.1f} KiB, {(full - empty) / count:.1f} KiB of it growth"
        told["first start, last start"] = f"{first * 1e3:.2f} ms, {last * 1e3:.2f} ms: {last / first:.2f}x"
        began = time.perf_counter()
        listed = _verb(state, "ps")
        told["ps"] = f"{time.perf_counter() - began:.2f} s, {len(listed.splitlines()) - 1} lines"
        began = time.perf_counter()
        _verb(state, "stop", "--time", "2", "--all")
        told["stopping all"] = f"{time.perf_counter() - began:.2f} s"
        left = [name for name in store.names() if store.read(name).status != "exited"]
        told["left running"] = str(len(left))
        told["memory of the supervisor afterwards"] = f"{_memory(process, state)} KiB"
    return told


@contextmanager
def _supervisor(state: Path) -> Iterator[int]:
    """Give the pid of a supervisor."""
    process = subprocess.Popen(["haconiwa", "supervise"], env=_environment(state))
    try:
        while not (state / ".supervisor" / "control").exists():
            time.sleep(0.01)
        yield process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def _verb(state: Path, *words: str) -> str:
    done = subprocess.run(["haconiwa", *words], env=_environment(state), check=True, capture_output=True, text=True)
    return done.stdout


def _environment(state: Path) -> dict[str, str]:
    return {**os.environ, "HACONIWA_STATE": str(state)}


def _memory(supervisor: int, state: Path) -> int:
    """Return KiB of memory of the supervisor and what it has started that is no container: PSS, proc_pid_smaps(5)."""
    return sum(_pss(pid) for pid in _ours(supervisor, state))


def _ours(supervisor: int, state: Path) -> list[int]:
    """Return the supervisor, its launcher, and its log keeper, which is no child of it."""
    found = [supervisor]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        is_container = command[:1] == [b"/busybox"]
        is_keeper = command[-2:-1] == [os.fsencode(state / ".supervisor")]
        if (parent == supervisor and not is_container) or is_keeper:
            found.append(int(folder.name))
    return found


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError(f"process {pid} has no memory")


def _kernel(root: Path, count: int) -> float:
    """Return how much longer the last of so many bare starts takes than the first: unshare(1), left running."""
    seconds: list[float] = []
    command = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--net", "--fork", f"--root={root}", *COMMAND]
    running: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            began = time.perf_counter()
            running.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
            _await_command(running[-1].pid)
            seconds.append(time.perf_counter() - began)
    finally:
        _end(running)
    first, last = (statistics.median(part) for part in (seconds[1 : SAMPLE + 1], seconds[-SAMPLE:]))
    return last / first


def _await_command(pid: int) -> None:
    """Wait until the child of unshare executes its command."""
    while True:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if children and Path(f"/proc/{children[0]}/cmdline").read_bytes().startswith(b"/busybox"):
            return
        time.sleep(0.0001)


def _end(running: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in running:
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
    for process in running:
        process.wait()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, Path(sys.argv[2]) if len(sys.argv) > 2 else None)

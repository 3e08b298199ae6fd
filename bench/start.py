"""Time from start to exit of a static `true`, in containers of the same features, against peers and the kernel.

    python bench/start.py [ROUNDS]

All ways are tried in turn, in another order each round; medians are printed, and their ratio to a loop of plain
C that makes the same container (`floor.c`). Records lie in /dev/shm, for /run is memory on most hosts. Needs
root, gcc and busybox-static; a peer that does not run here is left out and named.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from haconiwa_capabilities import Capabilities
from haconiwa_cgroup import Cgroup
from haconiwa_chroot import Chroot
from haconiwa_hardened import Hardened
from haconiwa_landlock import Landlock
from haconiwa_mount import Mount
from haconiwa_no_new_privs import NoNewPrivs
from haconiwa_ns_cgroup import CgroupNamespace
from haconiwa_ns_ipc import IpcNamespace
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_net import NetNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_time import TimeNamespace
from haconiwa_ns_user import UserNamespace
from haconiwa_ns_uts import UtsNamespace
from haconiwa_rlimit import Rlimit
from haconiwa_scheduling import Scheduling
from haconiwa_seccomp import Seccomp

from haconiwa_core import Container
from haconiwa_core.feature import Feature
from haconiwa_core.host import gather
from haconiwa_core.launch.choice import Launcher, choose_launcher
from haconiwa_core.planning.planner import plan
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.attach import attach
from haconiwa_core.runtime.record import Process
from haconiwa_core.runtime.start import start
from haconiwa_core.runtime.store import Store

Way = Callable[[], float]
"""Does it once, and returns how many seconds that took."""

COMMAND = ["/true"]
STREAMS = {"stdin": 0, "stdout": 1, "stderr": 2}
LARGE = (34, 400)
"""MiB of memory of a host program, whose size should not matter."""

KINDS: dict[str, Feature] = {
    "ns-mount": MountNamespace(),
    "ns-pid": PidNamespace(),
    "ns-uts": UtsNamespace(),
    "ns-ipc": IpcNamespace(),
    "ns-cgroup": CgroupNamespace(),
    "ns-net": NetNamespace(),
    "ns-time": TimeNamespace(),
    "ns-user": UserNamespace(),
    "rlimit": Rlimit(nofile=1024),
    "capabilities": Capabilities(),
    "no-new-privs": NoNewPrivs(),
    "seccomp": Seccomp(),
    "landlock": Landlock(read=["/"], execute=["/"]),
    "scheduling": Scheduling(nice=5),
    "cgroup, to be killed and frozen": Cgroup(),
    "cgroup, 64 processes": Cgroup(pids=64),
}


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        root = make_root(folder)
        helper = choose_launcher("helper")
        with ExitStack() as stack:
            ways = {**floors(folder, root), **ours(folder, root, helper, stack), **peers(folder)}
            ways |= {f"warm, helper, {size} MiB caller": stack.enter_context(Caller(folder, size)) for size in LARGE}
            print_medians(ways, "C floor", rounds)
        none = warm(folder, Container("one", ["/bin/true"]), helper)
        alone = {name: warm(folder, Container("one", ["/bin/true"], [one]), helper) for name, one in KINDS.items()}
        print()
        print_medians({"no feature": none, **alone}, "no feature", rounds)


def print_medians(ways: dict[str, Way], base: str, rounds: int) -> None:
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(rounds):
        for name in random.sample(list(ways), len(ways)):
            times[name].append(ways[name]())
    medians = {name: statistics.median(measured) for name, measured in times.items()}
    print(f"{'way':28} {'median ms':>10} {'x ' + base:>12}   ({rounds} rounds)")
    for name, middle in sorted(medians.items(), key=lambda item: item[1]):
        print(f"{name:28} {middle * 1000:10.2f} {middle / medians[base]:12.2f}")


def timed(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def features(root: Path, *more: Feature) -> list[Feature]:
    kinds = [KINDS[name] for name in ("ns-mount", "ns-pid", "ns-uts", "ns-ipc", "ns-cgroup", "rlimit")]
    return [*kinds, Chroot(str(root)), Mount(proc=True, masked=(), read_only=()), *more]


def floors(folder: Path, root: Path) -> dict[str, Way]:
    program = folder / "floor"
    subprocess.run(["gcc", "-O2", "-static", "-o", program, Path(__file__).with_name("floor.c")], check=True)

    def floor(*more: str) -> float:
        # The last of a few: a loop that is warm, as a resident launcher is.
        done = subprocess.run([program, root, "5", *more], check=True, capture_output=True, text=True)
        return float(done.stdout.split()[-1]) / 1e6

    return {"C floor": floor, "C floor, ns-net": partial(floor, "net")}


def warm(folder: Path, container: Container, launcher: Launcher) -> Way:
    planned = plan(container, gather(), Plugins())
    store = Store(folder / "state")

    def once() -> None:
        start(planned, store.claim_unique("bench"), STREAMS, launcher=launcher).finish(remove=True)

    return partial(timed, once)


def keep_running(container: Container, folder: Path, many: int, stack: ExitStack) -> None:
    """Start so many containers, which are ended when the stack is."""
    planned, records, launcher = (
        plan(container, gather(), Plugins()),
        Store(folder / "state"),
        choose_launcher("helper"),
    )
    for _ in range(many):
        running = start(planned, records.claim_unique("kept"), STREAMS, launcher=launcher)
        stack.callback(running.finish, remove=True)
        stack.callback(running.kill)


def ours(folder: Path, root: Path, helper: Launcher, stack: ExitStack) -> dict[str, Way]:
    container = Container("bench", COMMAND, features(root))
    net = Container("bench", COMMAND, features(root, NetNamespace()))
    strict = Container("bench", COMMAND, [Hardened(root=str(root))])
    cold = [sys.executable, "-I", "-m", "haconiwa_core", "run", "--rm", str(definition(folder, root))]
    return {
        "warm, helper": warm(folder, container, helper),
        "warm, helper, ns-net": warm(folder, net, helper),
        "warm, helper, hardened": warm(folder, strict, helper),
        "warm, zygote": warm(folder, container, choose_launcher("zygote")),
        "warm, direct": warm(folder, container, choose_launcher("direct")),
        "exec, helper": entering(folder, container, helper, stack),
        "haconiwa run": partial(call, cold),
    }


def entering(folder: Path, container: Container, launcher: Launcher, stack: ExitStack) -> Way:
    """Run `true` in a container that is there already."""
    host, plugins = gather(), Plugins()
    sleeper = plan(replace(container, command=["/sleep", "100000"]), host, plugins)
    running = start(sleeper, Store(folder / "state").claim_unique("sleeper"), STREAMS, launcher=launcher)
    stack.callback(running.finish, remove=True)
    stack.callback(running.kill)
    planned, init = plan(container, host, plugins, "attach"), Process.of(running.pid)
    return partial(timed, lambda: attach(planned, running.name, init, STREAMS, launcher).reap(with_group=False))


class Caller:
    """A host program of some size, which starts a container when it is asked to."""

    def __init__(self, folder: Path, size: int) -> None:
        command = [sys.executable, __file__, "caller", str(folder), str(size)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def __call__(self) -> float:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


def serve_as_caller(folder: Path, size: int) -> None:
    used = os.sysconf("SC_PAGE_SIZE") * int(Path("/proc/self/statm").read_text().split()[1])
    ballast = b"x" * max(0, size * 2**20 - used)
    launcher = choose_launcher("helper")
    once = warm(folder, Container("bench", COMMAND, features(folder / "root")), launcher)
    for _ in sys.stdin:
        print(once(), flush=True)
    launcher.close()
    del ballast


def make_root(folder: Path) -> Path:
    root = folder / "root"
    for name in ("proc", "dev", "tmp"):
        (root / name).mkdir(parents=True)
    for name in ("true", "sleep"):
        shutil.copy("/bin/busybox", root / name)
    return root


def definition(folder: Path, root: Path) -> Path:
    file = folder / "bench.toml"
    file.write_text(
        'name = "bench"\ncommand = ["/true"]\n[ns-mount]\n[ns-pid]\n[ns-uts]\n[ns-ipc]\n[ns-cgroup]\n'
        f'[chroot]\nroot = "{root}"\n'
        "[mount]\nproc = true\nmasked = []\nread_only = []\n[rlimit]\nnofile = 1024\n"
    )
    return file


def peers(folder: Path) -> dict[str, Way]:
    root = folder / "root"
    commands = {
        "unshare": ["unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--cgroup", f"--root={root}", *COMMAND],
        "bwrap": [
            "bwrap",
            "--unshare-pid",
            "--unshare-uts",
            "--unshare-ipc",
            "--unshare-cgroup",
            "--ro-bind",
            str(root),
            "/",
        ]
        + ["--proc", "/proc", *COMMAND],
        "runc run": ["runc", "run", "--bundle", str(bundle(folder)), f"bench-{os.getpid()}"],
        "crun run": ["crun", "run", "--bundle", str(bundle(folder)), f"bench-{os.getpid()}"],
        "python -I -S -c pass": [sys.executable, "-I", "-S", "-c", "pass"],
    }
    return {name: partial(call, command) for name, command in commands.items() if works(name, command)}


def works(name: str, command: list[str]) -> bool:
    """Return whether a peer is installed and runs on this host, and name it if not."""
    if not shutil.which(command[0]):
        print(f"{name}: not installed, left out")
        return False
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        print(f"{name}: does not run here, left out: {done.stderr.strip()}")
    return done.returncode == 0


def bundle(folder: Path) -> Path:
    """Write an OCI bundle with the same features."""
    kinds = ("mount", "pid", "uts", "ipc", "cgroup")
    config = {
        "ociVersion": "1.0.2",
        "root": {"path": str(folder / "root"), "readonly": True},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "process": {"args": COMMAND, "cwd": "/", "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 1024}]},
        "linux": {"namespaces": [{"type": kind} for kind in kinds]},
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def call(command: Sequence[str]) -> float:
    return timed(partial(subprocess.run, command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))


if __name__ == "__main__":
    if sys.argv[1:2] == ["caller"]:
        serve_as_caller(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()

"""Time from start to exit of a static `true`, in containers of the same features, against peers.

    python bench/start.py [ROUNDS]

All ways are tried in turn, in another order each round; medians and their ratio to `unshare` are
printed. Needs root and busybox-static; a peer that does not run here is left out and named.
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
from collections.abc import Callable
from functools import partial
from pathlib import Path

from haconiwa_chroot import Chroot
from haconiwa_mount import Mount
from haconiwa_ns_ipc import IpcNamespace
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_uts import UtsNamespace
from haconiwa_rlimit import Rlimit

from haconiwa_core import Container
from haconiwa_core.host import gather
from haconiwa_core.launch.choice import Launcher, choose_launcher
from haconiwa_core.launch.direct import DirectLauncher
from haconiwa_core.launch.zygote import ZygoteLauncher
from haconiwa_core.planning.planner import plan
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.record import Store
from haconiwa_core.runtime.start import start

COMMAND = ["/true"]
BASE = "unshare"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory() as folder:
        ways = {**ours(Path(folder)), **peers(Path(folder))}
        times: dict[str, list[float]] = {name: [] for name in ways}
        for way in ways.values():
            way()
        for _ in range(rounds):
            for name in random.sample(list(ways), len(ways)):
                begin = time.perf_counter()
                ways[name]()
                times[name].append(time.perf_counter() - begin)
    base = statistics.median(times[BASE])
    print(f"{'way':24} {'median ms':>10} {'x ' + BASE:>10}   ({rounds} rounds)")
    for name, measured in sorted(times.items(), key=lambda item: statistics.median(item[1])):
        middle = statistics.median(measured)
        print(f"{name:24} {middle * 1000:10.2f} {middle / base:10.2f}")


def make_root(folder: Path) -> Path:
    root = folder / "root"
    (root / "proc").mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "true")
    return root


def ours(folder: Path) -> dict[str, Callable[[], None]]:
    root = make_root(folder)
    features = [
        MountNamespace(),
        PidNamespace(),
        UtsNamespace(),
        IpcNamespace(),
        Chroot(str(root)),
        Mount(proc=True, masked=(), read_only=()),
        Rlimit(nofile=1024),
    ]
    container = Container("bench", command=COMMAND, features=features)
    planned = plan(container, gather(), Plugins())
    store = Store(folder / "state")
    streams = {"stdin": 0, "stdout": 1, "stderr": 2}

    def warm(launcher: Launcher) -> None:
        running = start(planned, store.claim_unique("bench"), streams, launcher=launcher)
        running.wait()
        running.remove()

    launchers = {launcher.name: launcher for launcher in (DirectLauncher(), ZygoteLauncher(), choose_launcher())}

    cold = [sys.executable, "-I", "-m", "haconiwa_core", "run", "--rm", str(definition(folder, root))]
    ways = {f"haconiwa warm, {name}": partial(warm, launcher) for name, launcher in launchers.items()}
    return {**ways, "haconiwa run": partial(call, cold)}


def definition(folder: Path, root: Path) -> Path:
    file = folder / "bench.toml"
    file.write_text(
        f'name = "bench"\ncommand = ["/true"]\n[ns-mount]\n[ns-pid]\n[ns-uts]\n[ns-ipc]\n[chroot]\nroot = "{root}"\n'
        "[mount]\nproc = true\nmasked = []\nread_only = []\n[rlimit]\nnofile = 1024\n"
    )
    return file


def peers(folder: Path) -> dict[str, Callable[[], None]]:
    root = folder / "root"
    commands = {
        "unshare": ["unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", f"--root={root}", *COMMAND],
        "bwrap": ["bwrap", "--unshare-pid", "--unshare-uts", "--unshare-ipc", "--ro-bind", str(root), "/"]
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
    kinds = ("mount", "pid", "uts", "ipc")
    config = {
        "ociVersion": "1.0.2",
        "root": {"path": str(folder / "root"), "readonly": True},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "process": {"args": COMMAND, "cwd": "/", "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 1024}]},
        "linux": {"namespaces": [{"type": kind} for kind in kinds]},
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def call(command: list[str]) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()

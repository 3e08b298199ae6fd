"""A place for real containers: private mounts and state, a root of static programs, whole definitions."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from haconiwa_capabilities import Capabilities
from haconiwa_cgroup import Cgroup
from haconiwa_cgroup.layout import TOP
from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_landlock import Landlock
from haconiwa_mount import Bind, Mount, Overlay, Tmpfs
from haconiwa_no_new_privs import NoNewPrivs
from haconiwa_ns_cgroup import CgroupNamespace
from haconiwa_ns_ipc import IpcNamespace
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_net import NetNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_time import TimeNamespace
from haconiwa_ns_user import IdRange, UserNamespace
from haconiwa_ns_uts import UtsNamespace
from haconiwa_rlimit import Rlimit
from haconiwa_scheduling import Scheduling
from haconiwa_seccomp import Seccomp
from haconiwa_sysctl import Sysctl

from haconiwa_core.container import Container
from haconiwa_core.feature import Feature
from haconiwa_core.host import gather
from haconiwa_core.launch.interpreter import Kernel
from haconiwa_core.linux import constants as c
from haconiwa_core.linux.host import children
from haconiwa_core.planning.plan import Plan
from haconiwa_core.planning.planner import plan
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.start import start
from haconiwa_core.runtime.store import Store

BUSYBOX = "/bin/busybox"
SHIFTED = 100_000
"""The host's id of user 0 in `everything(shifted=True)`."""

HANDLES = ("/run/uts", "/run/net")

PLUGINS = Plugins()

_before: set[int] = set()
"""This process's children when the test began."""

_LIBC = ctypes.CDLL(None, use_errno=True)
_MS_REC = 0x4000
_MS_SHARED = 0x100000


def libc(function: str, *arguments: int | bytes | None) -> int:
    """Call a function of the C library; its failure is an OSError."""
    result: int = getattr(_LIBC, function)(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), function)
    return result


@contextmanager
def own_mounts() -> Iterator[None]:
    """Give this process a mount tree of its own, with an empty /run, so that nothing reaches the host.

    The tree is shared with itself, as a host's is, so that a container that propagates is seen.
    """
    _before.clear()
    _before.update(children())
    former = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    folder = os.getcwd()
    libc("unshare", c.CLONE_NEWNS)
    try:
        libc("mount", None, b"/", None, _MS_REC | c.MS_PRIVATE, None)
        libc("mount", b"tmpfs", b"/run", b"tmpfs", 0, b"mode=0755")
        libc("mount", None, b"/", None, _MS_REC | _MS_SHARED, None)
        yield
    finally:
        libc("setns", former, c.CLONE_NEWNS)
        os.close(former)
        os.chdir(folder)


def make_root(path: Path) -> Path:
    """Make a root directory with a static busybox and empty places for mounts."""
    for name in ("bin", "usr", "proc", "sys", "dev", "tmp", "etc", "srv", "mnt", "merged"):
        (path / name).mkdir(parents=True)
    for name in ("lib", "lib64"):
        (path / name).symlink_to(f"usr/{name}")
    shutil.copy(BUSYBOX, path / "bin/busybox")
    listed = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True)
    for applet in listed.stdout.split():
        if applet != "busybox":
            (path / "bin" / applet).symlink_to("busybox")
    path.chmod(0o755)
    return path


def everything(root: Path, *, shifted: bool = False, keep: bool = False) -> list[Feature]:
    """Return all features, with all kinds of mounts.

    Args:
        root: of the container.
        shifted: add a user namespace, whose user 0 is SHIFTED on the host.
        keep: leave handles of two namespaces at HANDLES.
    """
    uts, net = HANDLES if keep else (None, None)
    features: list[Feature] = [
        PidNamespace(),
        MountNamespace(),
        UtsNamespace(hostname="inside", domainname="example", keep=uts),
        IpcNamespace(),
        NetNamespace(keep=net),
        CgroupNamespace(),
        TimeNamespace(boottime=1000, monotonic=500),
        Chroot(str(root)),
        Mount(
            proc=True,
            sysfs=True,
            dev=True,
            devpts=True,
            shm=True,
            mqueue=True,
            bind=(Bind("/usr", "/usr"),),
            tmpfs=(Tmpfs("/tmp", size="1M", mode=0o1777),),
            overlay=(Overlay("/merged", lower=("/usr/share", "/etc")),),
        ),
        Rlimit(nofile=64, core=0),
        Credentials(uid=1000, gid=1001, groups=(1002,), umask=0o077),
        Capabilities(ambient=("net_bind_service",)),
        NoNewPrivs(),
        Seccomp(),
        # What an older kernel cannot deny is left out.
        Landlock(read=("/",), write=("/",), execute=("/",), unrestricted=("truncate", "ioctl_dev")),
        Scheduling(nice=5),
        Sysctl(values={"net.ipv4.ip_unprivileged_port_start": 80}),
        Cgroup(memory="256M", pids=64),
    ]
    if shifted:
        ids = (IdRange(0, SHIFTED, 65536),)
        features.append(UserNamespace(uid_map=ids, gid_map=ids))
    return features


def planned(container: Container) -> Plan:
    """Plan for this host with the installed plugins."""
    return plan(container, gather(), PLUGINS)


def started(
    container: Container | Plan,
    streams: Mapping[str, int] | None = None,
    *,
    name: str = "",
    kernel: Kernel | None = None,
) -> Running:
    """Start a container; streams that are not given are those of the test."""
    what = container if isinstance(container, Plan) else planned(container)
    store = Store()
    claim = store.claim(name) if name else store.claim_unique(what.container.name)
    return start(what, claim, streams or {"stdin": 0, "stdout": 1, "stderr": 2}, kernel)


@dataclass(frozen=True)
class Result:
    """How a container ended, and what it wrote."""

    status: int
    output: str


def ran(container: Container | Plan, *, input: bytes = b"", kernel: Kernel | None = None) -> Result:
    """Run a container to its end and forget it."""
    source, sink = os.memfd_create("input"), os.memfd_create("output")
    try:
        os.pwrite(source, input, 0)
        running = started(container, {"stdin": source, "stdout": sink, "stderr": sink}, kernel=kernel)
        status = running.wait()
        running.remove()
        return Result(status, os.pread(sink, 1 << 20, 0).decode())
    finally:
        os.close(source)
        os.close(sink)


def shell(script: str, features: Sequence[Feature] = (), **options: object) -> Result:
    """Run a script in a container with these features."""
    result = ran(Container("probe", ["/bin/sh", "-c", script], features, **options))  # type: ignore[arg-type]
    return Result(result.status, result.output.strip())


def haconiwa(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the command line of this checkout."""
    defaults: dict[str, object] = {"capture_output": True, "text": True, "timeout": 60, "stdin": subprocess.DEVNULL}
    command = [sys.executable, "-m", "haconiwa_core", *map(str, arguments)]
    return subprocess.run(command, check=False, **{**defaults, **options})  # type: ignore[call-overload,no-any-return]


@dataclass(frozen=True)
class Snapshot:
    """What a start could leave behind: compared before and after."""

    mounts: tuple[str, ...]
    descriptors: tuple[tuple[str, str], ...]
    children: tuple[int, ...]
    state: tuple[str, ...]
    groups: tuple[str, ...]

    @staticmethod
    def taken() -> Snapshot:
        """Look at this process, its mount tree, the state directory and the control groups of containers."""
        tops = [Path(tree.mount, TOP) for tree in gather().cgroups]
        return Snapshot(
            tuple(sorted(_without_ids(line) for line in Path("/proc/self/mountinfo").read_text().splitlines())),
            tuple(_descriptors()),
            tuple(sorted(children())),
            tuple(sorted(str(path) for path in Path("/run").rglob("*") if path.name != "haconiwa")),
            tuple(sorted(folder for top in tops for folder, _, _ in os.walk(top) if folder != str(top))),
        )


def _without_ids(line: str) -> str:
    return " ".join(line.split()[2:])


def _descriptors() -> Iterator[tuple[str, str]]:
    for name in os.listdir("/proc/self/fd"):
        try:
            yield name, os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue  # The descriptor of this listing itself.


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Fail instead of waiting for ever."""

    def late(_number: int, _frame: object) -> None:
        raise TimeoutError(f"still waiting after {seconds} s")

    former = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


def reap_everything() -> None:
    """Wait until this process has no child, adopted ones among them, but those of before the test."""
    with time_limit(20):
        while left := set(children()) - _before:
            for pid in left:
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG | c.WALL)
            time.sleep(0.001)

"""A process that is put into a running container is confined as the container's first one is."""

import os
import shutil
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_hardened import Hardened
from haconiwa_mount import Mount
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_user import IdRange, UserNamespace
from haconiwa_rlimit import Rlimit
from system.world import PLUGINS, everything, planned, started, time_limit

from haconiwa_core import linux
from haconiwa_core.container import Container
from haconiwa_core.definition.stored import read_stored
from haconiwa_core.host import gather
from haconiwa_core.launch.choice import choose_launcher
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.cgroups import ATTACHED, FIRST
from haconiwa_core.linux.vocabulary import lowers
from haconiwa_core.operation import Buffer, Operation, Slot
from haconiwa_core.planning.planner import plan
from haconiwa_core.runtime.attach import attach
from haconiwa_core.runtime.processes import is_readable
from haconiwa_core.runtime.store import Store

DIFFERENCES = {
    # Of each process its own.
    "Name", "Pid", "Tgid", "Ngid", "NSpid", "NStgid", "NSpgid", "NSsid",
    # A process that is attached is the caller's child, and its parent lies outside the container.
    "PPid",
    # How much it has run and how much memory it has: no policy.
    "VmPeak", "VmSize", "VmLck", "VmPin", "VmHWM", "VmRSS", "RssAnon", "RssFile", "RssShmem", "VmData", "VmStk",
    "VmExe", "VmLib", "VmPTE", "VmSwap", "HugetlbPages", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches",
    "State", "FDSize", "SigQ",
}  # fmt: skip
"""What may differ in /proc/PID/status; all else must be equal."""

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")

IDS = (IdRange(0, 100_000, 65536),)
CASES = {
    "everything": everything,
    "shifted": lambda root: everything(root, shifted=True),
    "nothing": lambda _root: [],
    "plain chroot": lambda root: [Chroot(str(root)), Rlimit(nofile=99)],
    "pivoted": lambda root: [MountNamespace(), Chroot(str(root)), Credentials(uid=7, umask=0o027)],
    "pid only": lambda _root: [PidNamespace()],
    "user only": lambda _root: [UserNamespace(uid_map=IDS, gid_map=IDS)],
    "user and mount": lambda root: [UserNamespace(uid_map=IDS, gid_map=IDS), MountNamespace(), Chroot(str(root))],
}


@pytest.fixture
def container(root, request):
    features = CASES[request.param](root)
    os.chown(root, 100_000, 100_000) if any(isinstance(each, UserNamespace) for each in features) else None
    return Container("box", ["/bin/busybox", "sleep", "600"], features, env={"A": "1"}, stdin="null")


def attached(running, container, *command, launcher=None, stdin=None):
    """Attach a command to a running container, by its record alone."""
    record = Store().read(running.name)
    found = read_stored(record.container, PLUGINS)
    assert found == container
    entering = replace(found, command=command, stdin=found.stdin if stdin is None else "inherit")
    planned = plan(entering, gather(), PLUGINS, "attach")
    return attach(planned, record.name, record.child, {"stdin": stdin or 0, "stdout": 1, "stderr": 2}, launcher)


def ended(running):
    running.kill()
    running.wait()
    running.remove()


def status_of(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def settled(pid):
    """Wait until a process sleeps in its command; return what /proc tells of it."""
    deadline = time.monotonic() + 10
    while "busybox" not in os.readlink(f"/proc/{pid}/exe") or "\tS" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    return {
        "status": {name: value for name, value in status.items() if name not in DIFFERENCES},
        "limits": Path(f"/proc/{pid}/limits").read_text(),
        # What is attached has a group beside the first process's, so that it can be limited.
        "cgroup": Path(f"/proc/{pid}/cgroup").read_text().replace(f"/{ATTACHED}\n", f"/{FIRST}\n"),
        "namespaces": {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in KINDS},
        "mountinfo": Path(f"/proc/{pid}/mountinfo").read_text(),
        "root": os.stat(f"/proc/{pid}/root/."),
        "cwd": os.stat(f"/proc/{pid}/cwd/."),
        "environment": Path(f"/proc/{pid}/environ").read_bytes(),
        "oom_score_adj": Path(f"/proc/{pid}/oom_score_adj").read_text(),
        "uid_map": Path(f"/proc/{pid}/uid_map").read_text(),
        "descriptors": sorted(os.listdir(f"/proc/{pid}/fd")),
        "terminal": Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[4],
        "timens": Path(f"/proc/{pid}/timens_offsets").read_text(),
    }


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize("container", CASES, indirect=True)
def test_it_is_equal_to_the_first_process(container):
    running = started(container)
    process = attached(running, container, "/bin/busybox", "sleep", "600")
    first, second = settled(running.pid), settled(process.pid)
    for aspect, found in first.items():
        assert second[aspect] == found, aspect
    assert [status_of(pid)["PPid"] for pid in (running.pid, process.pid)] == [str(os.getpid())] * 2
    process.kill()
    assert process.reap(with_group=False).exit_status == 137
    ended(running)


@pytest.fixture(scope="module")
def watcher(tmp_path_factory):
    """A static program that tries to look into whatever enters its container."""
    if not shutil.which("gcc"):
        pytest.skip("needs gcc")
    program = tmp_path_factory.mktemp("watcher") / "watcher"
    source = Path(__file__).with_name("watcher.c")
    subprocess.run(["gcc", "-O2", "-Wall", "-static", "-o", program, source], check=True)
    return program


ENTRIES = 40


@contextmanager
def watching(root, watcher, mode, features):
    """Run a container that watches what enters it; give it, its definition, and the file of what it has seen."""
    shutil.copy(watcher, root / "bin/watcher")
    if features is SHIFTED:
        os.chown(root, IDS[0].outside, IDS[0].outside)
    mounts = Mount(proc=True, masked=(), read_only=())
    features = [MountNamespace(), PidNamespace(), Chroot(str(root)), mounts, *features]
    box = planned(Container("box", ["/bin/watcher", mode], features, stdin="null"))
    sink = os.memfd_create("output")
    running = started(box, {"stdout": sink, "stderr": 2})
    while not os.pread(sink, 9, 0).startswith(b"watching"):
        assert not is_readable(running.pidfd, 0.001)
    # As it is in force: with what its features stand for.
    yield running, box.container, sink
    ended(running)
    os.close(sink)


def watched(root, watcher, mode, launcher, features=()):
    """Enter a container 40 times while it watches; return what it has seen."""
    with watching(root, watcher, mode, features) as (running, container, sink):
        with closing(choose_launcher(launcher)) as used:
            for _ in range(ENTRIES):
                process = attached(running, container, "/bin/busybox", "true", launcher=used)
                assert process.reap(with_group=False).exit_status == 0
        found = Counter(line.split()[0] for line in os.pread(sink, 1 << 24, 0).decode().splitlines())
    assert found["seen"] > 0
    return {what for what in found if what not in ("watching", "seen")}


SHIFTED = [UserNamespace(uid_map=IDS, gid_map=IDS)]


@pytest.mark.parametrize("launcher", ["direct", "zygote", "helper"])
@pytest.mark.parametrize(
    ("mode", "features"),
    [("common", []), ("common", [Credentials(uid=1000)]), ("all", SHIFTED), ("all", [Hardened(root="/")])],
    ids=["root", "user", "user namespace", "hardened"],
)
def test_nothing_of_an_entering_process_can_be_opened(root, watcher, launcher, mode, features):
    assert watched(root, watcher, mode, launcher, features) == set()


@pytest.mark.parametrize("launcher", ["zygote", "helper"])
def test_a_container_that_may_trace_anything_cannot_write_the_program_that_enters(root, watcher, launcher):
    """The host's own CAP_SYS_PTRACE opens all; what it opens leads nowhere."""
    found = watched(root, watcher, "all", launcher)
    assert "mem" in found
    assert found.isdisjoint({"directory", "written"})


def test_the_watch_bites(root, watcher, monkeypatch):
    """What is not closed to others is opened while it has the caller's ids, if only it waits there long enough."""
    become_root = linux.become_root
    linger = Operation(Call.read, (Slot("stdin"), Buffer(1), 1))
    monkeypatch.setattr(linux, "set_dumpable", lowers(lambda _: iter(())))
    monkeypatch.setattr(linux, "become_root", lowers(lambda: chain([linger], become_root())))
    with watching(root, watcher, "all", SHIFTED) as (running, container, sink):
        reader, writer = os.pipe()
        with ThreadPoolExecutor() as pool:
            command = ("/bin/busybox", "true")
            entering = pool.submit(attached, running, container, *command, stdin=reader)
            try:
                with time_limit(20):
                    while b"exe" not in os.pread(sink, 1 << 20, 0):
                        time.sleep(0.01)
            finally:
                os.write(writer, b"x")
            assert entering.result().reap(with_group=False).exit_status == 0
        os.close(reader)
        os.close(writer)

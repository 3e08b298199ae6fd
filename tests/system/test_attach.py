"""A process that is put into a running container is confined as the container's first one is."""

import os
import re
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_user import IdRange, UserNamespace
from haconiwa_rlimit import Rlimit
from system.world import PLUGINS, Snapshot, everything, make_root, started

from haconiwa_core.container import Container
from haconiwa_core.definition.stored import read_stored
from haconiwa_core.errors import SetupError
from haconiwa_core.host import gather
from haconiwa_core.planning.planner import plan
from haconiwa_core.runtime.attach import attach
from haconiwa_core.runtime.record import Process, Store

DIFFERENCES = {
    # Of each process its own.
    "Name", "Pid", "Tgid", "Ngid", "NSpid", "NStgid", "NSpgid", "NSsid",
    # A process that is attached is the caller's child, and its parent lies outside the container.
    "PPid",
    # How much it has run and how much memory it has: no policy.
    "VmPeak", "VmSize", "VmLck", "VmPin", "VmHWM", "VmRSS", "RssAnon", "RssFile", "RssShmem", "VmData", "VmStk",
    "VmExe", "VmLib", "VmPTE", "VmSwap", "HugetlbPages", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches",
    "State", "FDSize", "Threads", "SigQ", "Cpus_allowed", "Cpus_allowed_list", "Mems_allowed", "Mems_allowed_list",
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


def attached(running, container, *command):
    """Attach a command to a running container, by its record alone."""
    record = Store().read(running.name)
    found = read_stored(record.container, PLUGINS)
    assert found == container
    planned = plan(replace(found, command=command), gather(), PLUGINS, "attach")
    return attach(planned, record.child, {"stdin": 0, "stdout": 1, "stderr": 2})


def ended(running):
    running.kill()
    running.wait()
    running.remove()


def settled(pid):
    """Wait until a process sleeps in its command; return what /proc tells of it."""
    deadline = time.monotonic() + 10
    while "busybox" not in os.readlink(f"/proc/{pid}/exe") or "\tS" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    return {
        "status": {name: value for name, value in status.items() if name not in DIFFERENCES},
        "limits": Path(f"/proc/{pid}/limits").read_text(),
        "cgroup": Path(f"/proc/{pid}/cgroup").read_text(),
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
    parents = [re.search(r"^PPid:\t(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)[1] for pid in (running.pid, process.pid)]
    assert parents == [str(os.getpid())] * 2
    process.kill()
    assert process.reap(with_group=False).exit_status == 137
    ended(running)

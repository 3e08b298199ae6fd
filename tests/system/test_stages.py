"""After each stage its postcondition holds, as a program inside a real container sees it."""

import os

import pytest
from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_mount import Bind, Mount
from haconiwa_ns_cgroup import CgroupNamespace
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_net import NetNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_time import TimeNamespace
from haconiwa_ns_user import IdRange, UserNamespace
from haconiwa_ns_uts import UtsNamespace
from haconiwa_rlimit import Rlimit
from haconiwa_seccomp import Seccomp
from system.features import host_namespace
from system.world import HANDLES, SHIFTED, everything, planned, ran, shell

from haconiwa_core.container import Container
from haconiwa_core.linux import remove_handle
from haconiwa_core.linux.constants import CAP_SYS_ADMIN
from haconiwa_core.stages import Stage

CAP_NET_BIND_SERVICE = 10
SHIFT = (IdRange(0, SHIFTED, 65536),)


@pytest.fixture
def shifted():
    return UserNamespace(uid_map=SHIFT, gid_map=SHIFT)


@pytest.fixture
def whole(root):
    """Run a script with every feature but a user namespace."""

    def run(script, *others):
        container = Container("probe", ["/bin/sh", "-c", script], [*everything(root), *others])
        result = ran(container)
        assert result.status == 0, result.output
        return result.output.strip()

    return run


def test_prepare(root, tmp_path, shifted):
    """What a mapped root cannot walk to is open before it is one."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (private / "shared").mkdir(mode=0o755)
    (private / "shared/file").write_text("found")
    features = [Chroot(str(root)), MountNamespace(), Mount(bind=(Bind(str(private / "shared"), "/mnt"),)), shifted]
    assert shell("cat /mnt/file", features).output == "found"


def test_enter():
    """Offsets are written, and a pid namespace is joined, before the container's process exists."""
    offsets = shell("cat /proc/self/timens_offsets", [TimeNamespace(boottime=77, monotonic=11)])
    assert offsets.output.split() == ["monotonic", "11", "0", "boottime", "77", "0"]
    joined = shell("readlink /proc/self/ns/pid", [PidNamespace(join=os.getpid())])
    assert joined.output == host_namespace("pid")


def test_clone(whole):
    assert whole("echo $$").splitlines() == ["1"]
    for kind in ("mnt", "uts", "ipc", "net", "pid"):
        assert whole(f"readlink /proc/self/ns/{kind}") != host_namespace(kind)


def test_adopt(shifted):
    assert shell("cat /proc/self/uid_map", [shifted]).output.split() == ["0", str(SHIFTED), "65536"]
    assert shell("cat /proc/self/gid_map", [shifted]).output.split() == ["0", str(SHIFTED), "65536"]


def test_settle(shifted):
    """The user is 0, the tree is private, and the namespaces that clone cannot make are there."""
    script = "id -u; id -g; grep -c -e shared: -e master: /proc/self/mountinfo; readlink /proc/self/ns/cgroup"
    output = shell(script, [shifted, MountNamespace(), CgroupNamespace()]).output.split()
    assert output[:3] == ["0", "0", "0"]
    assert output[3] != host_namespace("cgroup")


def test_settle_brings_the_loopback_up():
    assert shell("cat /sys/class/net/lo/operstate; ip addr show lo | grep -c 127.0.0.1", [NetNamespace()]).status == 0


def test_mounts(whole):
    expected = {
        "/proc": "proc",
        "/sys": "sysfs",
        "/dev": "tmpfs",
        "/dev/pts": "devpts",
        "/dev/shm": "tmpfs",
        "/dev/mqueue": "mqueue",
        "/tmp": "tmpfs",
        "/merged": "overlay",
    }
    mounted = dict(line.split() for line in whole("awk '{print $2, $3}' /proc/mounts").splitlines())
    assert {target: mounted[target] for target in expected} == expected
    assert whole("touch /usr/x 2>&1 || true; touch /tmp/x && echo made").splitlines()[-1] == "made"


def test_mounts_hides_and_protects(whole):
    assert whole("cat /proc/timer_list /proc/keys; ls /sys/firmware") == ""
    flags = dict(line.split() for line in whole("awk '{print $5, $6}' /proc/self/mountinfo").splitlines())
    for path in ("/proc/sys", "/proc/irq", "/proc/bus", "/sys"):
        assert flags[path].split(",")[0] == "ro"


def test_root(whole, root):
    """Nothing of the old root is left to be reached, and the new one cannot be written."""
    assert set(whole("ls /").split()) == set(os.listdir(root))
    assert str(root.parent) not in whole("awk '{print $5}' /proc/self/mountinfo")
    assert "Read-only" in whole("touch /made 2>&1 || true")
    assert whole("ls -di /..; ls -di /").split()[0] == whole("ls -di /").split()[0]


def test_keep(root):
    kept = UtsNamespace(hostname="kept", keep=HANDLES[0])
    made = shell("readlink /proc/self/ns/uts", [kept]).output
    assert shell("readlink /proc/self/ns/uts; hostname", [UtsNamespace(join=HANDLES[0])]).output.split() == [
        made,
        "kept",
    ]
    remove_handle(HANDLES[0])


def test_session():
    """It leads a session without a terminal: fields 5 to 7 of stat(5) are pgrp, session and tty."""
    pid, pgrp, session, tty = shell("set -- $(cat /proc/$$/stat); echo $1 $5 $6 $7").output.split()
    assert pid == pgrp == session
    assert tty == "0"


def test_identity(whole):
    assert whole("hostname; cat /proc/sys/kernel/domainname").split() == ["inside", "example"]


def test_limits():
    features = [Rlimit(nofile=(50, 60), core=0), Credentials(umask=0o027)]
    assert shell("ulimit -Sn; ulimit -Hn; ulimit -c; umask", features).output.split() == ["50", "60", "0", "0027"]


def status_inside(text):
    return dict(line.split(":\t") for line in text.splitlines())


def test_bounding(whole):
    found = status_inside(whole("grep ^Cap /proc/self/status"))
    bounding = int(found["CapBnd"], 16)
    assert bounding >> CAP_NET_BIND_SERVICE & 1
    assert not bounding >> CAP_SYS_ADMIN & 1


def test_filter():
    """Without no_new_privs the filter is there before the user changes, and lets the change through."""
    features = [Seccomp(), Credentials(uid=1000)]
    output = shell("grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status; id -u", features).output
    found = status_inside(output.removesuffix("1000").strip())
    assert output.endswith("1000")
    assert found == {"NoNewPrivs": "0", "Seccomp": "2"}


def test_capabilities(whole):
    """Those of a user other than 0 are the ambient ones."""
    found = status_inside(whole("grep ^Cap /proc/self/status"))
    assert {int(found[name], 16) for name in ("CapAmb", "CapInh", "CapPrm", "CapEff")} == {1 << CAP_NET_BIND_SERVICE}


def test_confine(whole):
    found = status_inside(whole("grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status"))
    assert found == {"NoNewPrivs": "1", "Seccomp": "2"}


def test_credentials(whole):
    lines = whole("grep -E '^(Uid|Gid|Groups)' /proc/self/status; pwd").split()
    assert lines == ["Uid:", *["1000"] * 4, "Gid:", *["1001"] * 4, "Groups:", "1002", "/"]


def test_exec():
    container = Container("probe", ["/bin/busybox", "grep", "Sig", "/proc/self/status"])
    masks = dict(line.split(":\t") for line in ran(container).output.splitlines())
    assert {int(masks[name], 16) for name in ("SigBlk", "SigIgn", "SigCgt")} == {0}
    listed = ran(Container("probe", ["/bin/busybox", "ls", "/proc/self/fd"])).output.split()
    assert listed == ["0", "1", "2", "3"]  # 3 is the listing's own.


def test_everything_has_all_stages(root):
    """But the one that is there where no_new_privs is not."""
    container = Container("all", ["x"], everything(root, shifted=True, keep=True))
    assert {item.step.stage for item in planned(container).steps} == set(Stage) - {Stage.FILTER}
    without = Container("all", ["x"], [Seccomp()])
    assert Stage.FILTER in {item.step.stage for item in planned(without).steps}


def test_every_stage_has_a_test():
    assert {stage.name.lower() for stage in Stage} <= {name.removeprefix("test_") for name in globals()}

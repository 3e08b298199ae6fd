"""A user namespace with the features that behave differently in one."""

from pathlib import Path

import pytest
from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_mount import Bind, Mount, Tmpfs
from haconiwa_ns_cgroup import CgroupNamespace
from haconiwa_ns_ipc import IpcNamespace
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_net import NetNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_time import TimeNamespace
from haconiwa_ns_user import IdRange, UserNamespace
from haconiwa_ns_uts import UtsNamespace

from haconiwa_core.testing import needs_program, needs_root, run, started

pytestmark = [needs_root, needs_program("busybox")]

MAPPED = UserNamespace(
    uid_map=[IdRange(0, 100000, 10), IdRange(1000, 200000, 10)],
    gid_map=[IdRange(0, 100000, 10), IdRange(1000, 300000, 10)],
)
NAMESPACES = (
    CgroupNamespace(),
    IpcNamespace(),
    MountNamespace(),
    NetNamespace(),
    PidNamespace(),
    TimeNamespace(boottime=1000),
    UtsNamespace(hostname="inside"),
)
PRIVATE = Mount(proc=True, sysfs=True, dev=True, devpts=True, shm=True, mqueue=True, tmpfs=[Tmpfs("/tmp")])


def test_everything_together(root: Path) -> None:
    outcome = run(
        MAPPED,
        *NAMESPACES,
        Chroot(str(root)),
        PRIVATE,
        Credentials(uid=1000, gid=1001, groups=[1002]),
        command=["sh", "-c", "id; cat /proc/sys/kernel/hostname; echo x > /dev/null; touch /tmp/new; touch /new"],
    )
    assert outcome.stdout == "uid=1000 gid=1001 groups=1002\ninside\n"
    assert "/new: Read-only file system" in outcome.stderr
    assert "/dev/null" not in outcome.stderr


@pytest.mark.parametrize("feature", NAMESPACES, ids=lambda feature: feature.section)
def test_a_namespace_of_the_host_is_joined_before_rights_end(feature) -> None:
    with started(type(feature)()) as first:
        joined = type(feature)(join=first.pid)
        with started(MAPPED, joined) as second:
            links = [Path(f"/proc/{each.pid}/ns/{feature.kind}").readlink() for each in (first, second)]
            assert links[0] == links[1]


def test_joining_all_of_a_container(root: Path) -> None:
    kinds = (UserNamespace, *(type(feature) for feature in NAMESPACES))
    with started(MAPPED, *NAMESPACES) as first, started(*(kind(join=first.pid) for kind in kinds)) as second:
        for kind in kinds:
            links = [Path(f"/proc/{each.pid}/ns/{kind.kind}").readlink() for each in (first, second)]
            assert links[0] == links[1]


@pytest.mark.parametrize("feature", NAMESPACES, ids=lambda feature: feature.section)
def test_a_joined_user_namespace_ends_the_rights_last(feature) -> None:
    with (
        started(MAPPED) as mapped,
        started(type(feature)()) as other,
        started(UserNamespace(join=mapped.pid), type(feature)(join=other.pid)) as third,
    ):
        for kind, owner in (("user", mapped), (feature.kind, other)):
            links = [Path(f"/proc/{each.pid}/ns/{kind}").readlink() for each in (owner, third)]
            assert links[0] == links[1]


def test_files_of_others_belong_to_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    tmp_path.chmod(0o755)
    feature = Mount(bind=[Bind(str(tmp_path), "/mnt")])
    outcome = run(MAPPED, MountNamespace(), feature, command=["stat", "-c", "%u %g", "/mnt/file"])
    assert outcome.stdout == "65534 65534\n"

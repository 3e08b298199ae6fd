"""All features together: one plan, whatever the order of features and of loading."""

import pytest
from haconiwa_apparmor import AppArmor
from haconiwa_capabilities import Capabilities
from haconiwa_cgroup import Cgroup
from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_landlock import Landlock, Rule
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
from hypothesis import given, settings, strategies as st

from haconiwa_core.container import Container
from haconiwa_core.feature import Feature
from haconiwa_core.planning.planner import plan
from haconiwa_core.plugins.discovery import installed
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.testing import Executed, FakeKernel, host, plan_of, run_program

NAMESPACES: tuple[Feature, ...] = (
    CgroupNamespace(),
    IpcNamespace(),
    MountNamespace(),
    NetNamespace(),
    PidNamespace(),
    TimeNamespace(boottime=60),
    UtsNamespace(hostname="inside"),
)
OTHERS: tuple[Feature, ...] = (
    AppArmor("web"),
    Capabilities(),
    Cgroup(memory="64M", pids=20),
    Chroot("/srv/web"),
    Credentials(uid=33, gid=33, groups=[5]),
    Landlock(read=["/"], execute=["/bin"], rules=[Rule("/dev/null", ["write_file"])], connect_tcp=[443]),
    Mount(
        proc=True,
        sysfs=True,
        dev=True,
        devpts=True,
        shm=True,
        mqueue=True,
        bind=[Bind("/etc", "/etc"), Bind("/bin", "/bin")],
        tmpfs=[Tmpfs("/tmp")],
        overlay=[Overlay("/srv/merged", lower=["/etc"])],
    ),
    NoNewPrivs(),
    Rlimit(nofile=64),
    Scheduling(nice=5),
    Seccomp(),
    Sysctl(values={"net.ipv4.ip_forward": 1}),
)
MAPPED = UserNamespace(uid_map=[IdRange(0, 100000, 100)], gid_map=[IdRange(0, 100000, 100)])
SETS = {"all but users": (*NAMESPACES, *OTHERS), "all": (*NAMESPACES, *OTHERS, MAPPED)}
ALICE = host(uid=1000, gid=1000, capabilities=0)
WRITABLE = Chroot("/srv/web", read_only=False)


@pytest.mark.parametrize("features", SETS.values(), ids=SETS)
@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_the_same_plan(features: tuple[Feature, ...], data: st.DataObject) -> None:
    expected = plan_of(*features).to_json()
    available = data.draw(st.permutations(installed()))
    plugins = Plugins(available)
    for plugin in data.draw(st.permutations(available)):
        plugins.feature_class(plugin.name)
    container = Container("test", command=["true"], features=data.draw(st.permutations(features)))
    backwards = Container("test", command=["true"])
    object.__setattr__(backwards, "features", data.draw(st.permutations(features)))
    for shuffled in (container, backwards):
        assert plan(shuffled, host(), plugins).to_json() == expected


@pytest.mark.parametrize("features", SETS.values(), ids=SETS)
def test_the_program_reaches_its_command(features: tuple[Feature, ...]) -> None:
    kernel = FakeKernel()
    assert isinstance(outcome := run_program(plan_of(*features), kernel), Executed), outcome
    assert (kernel.uid, kernel.gid, kernel.groups) == (33, 33, (5,))
    assert not kernel.capable
    assert kernel.limits == {7: (64, 64)}
    assert kernel.names[1] == "inside"
    assert sorted(kernel.descriptors) == [0, 1, 2]
    kinds = {"cgroup", "ipc", "mnt", "net", "pid", "time", "uts", "user"}
    assert set(kernel.namespaces) == kinds


@settings(deadline=None)
@given(st.sets(st.sampled_from(NAMESPACES)))
def test_an_ordinary_users_program_reaches_its_command(chosen: set[Feature]) -> None:
    features = {feature.section: feature for feature in (*chosen, MountNamespace(), UserNamespace(), WRITABLE)}
    plan = plan_of(*features.values(), host=ALICE)
    assert isinstance(outcome := run_program(plan, FakeKernel(uid=1000)), Executed), outcome

import pytest
from haconiwa_sysctl import Sysctl
from haconiwa_sysctl.names import IPC, NET_CORE, NET_SHARED, USER, name_of, namespace_of, path_of
from hypothesis import given, settings, strategies as st

from haconiwa_core.facts import Namespace
from haconiwa_core.linux.constants import CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWUSER
from haconiwa_core.testing import FakeKernel, functions, plan_of, planned_steps, problems_of, run_program

NET, IPC_NAMESPACE, USER_NAMESPACE = (
    Namespace("net", CLONE_NEWNET),
    Namespace("ipc", CLONE_NEWIPC),
    Namespace("user", CLONE_NEWUSER),
)
ALL = (NET, IPC_NAMESPACE, USER_NAMESPACE)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
        ("net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding"),
        ("net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding"),
        ("net.bridge.bridge-nf-call-iptables", "net/bridge/bridge-nf-call-iptables"),
        ("fs.mqueue.msg_max", "fs/mqueue/msg_max"),
    ],
)
def test_two_ways_to_write_a_name(name: str, path: str) -> None:
    (planned,) = [item for item in planned_steps(plan_of(Sysctl({name: 1}), facts=ALL), "sysctl") if not item.step.into]
    assert planned.step.arguments[1:] == (path, "1")
    assert path_of(name_of(path)) == path


def test_values_are_written_in_the_order_given() -> None:
    values = {
        "net.ipv4.ip_forward": 1,
        "net.ipv4.conf.all.forwarding": 0,
        "kernel.sem": "1 2 3 4",
        "user.max_net_namespaces": 0,
    }
    steps = planned_steps(plan_of(Sysctl(values), facts=ALL), "sysctl")
    assert [item.step.function.__name__ for item in steps] == ["open_parameters", *["set_parameter"] * 4]
    assert [item.step.arguments[2] for item in steps[1:]] == ["1", "0", "1 2 3 4", "0"]


def test_the_values_are_a_copy() -> None:
    values = {"net.ipv4.ip_forward": 1}
    feature = Sysctl(values)
    values["net.ipv4.ip_forward"] = 0
    assert feature == Sysctl({"net.ipv4.ip_forward": 1})


def test_words_are_compared_as_the_kernel_shows_them() -> None:
    kernel = FakeKernel()
    run_program(plan_of(Sysctl({"net.ipv4.ip_forward": "1   2"}), facts=[NET]), kernel)
    assert kernel.written["/proc/sys/net/ipv4/ip_forward"] == "1\t2"


def test_what_is_attached_sets_nothing() -> None:
    assert functions(plan_of(Sysctl({"net.ipv4.ip_forward": 1}), facts=ALL, entry="attach"), "sysctl") == []


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize(
    ("name", "kind", "plugin"),
    [
        ("net.ipv4.ip_forward", "net", "ns-net"),
        ("net.core.somaxconn", "net", "ns-net"),
        ("net.unix.max_dgram_qlen", "net", "ns-net"),
        ("kernel.shmmax", "ipc", "ns-ipc"),
        ("fs.mqueue.msg_max", "ipc", "ns-ipc"),
        ("user.max_user_namespaces", "user", "ns-user"),
    ],
)
def test_the_namespace_must_be_the_containers(name: str, kind: str, plugin: str, joined: bool) -> None:
    others = [fact for fact in ALL if fact.kind != kind]
    (problem,) = problems_of(Sysctl({name: 1}), facts=others)
    assert (problem.key, problem.hint) == (f"values.{name}", f"add {plugin}")
    assert problem.text == f"belongs to a {kind} namespace, and the container's is the host's"
    own = [fact._replace(joined=joined) for fact in ALL if fact.kind == kind]
    assert problems_of(Sysctl({name: 1}), facts=own) == ()


HOSTS = [
    "kernel.core_pattern",
    "kernel.modprobe",
    "kernel.sysrq",
    "kernel.pid_max",
    "kernel.ns_last_pid",
    "kernel.msgmaxx",
    "kernel.sem.below",
    "kernel/random/uuid",
    "vm.swappiness",
    "vm.memfd_noexec",
    "fs.file-max",
    "fs.mqueue",
    "fs.mqueue.other",
    "fs.binfmt_misc.register",
    "user.other",
    "user.max_user_namespaces.x",
    "net.ipv4",
    "net.core",
    "net.core.bpf_jit_enable",
    "net.core.rmem_max",
    "net.rds.some",
    "net.nf_conntrack_max",
    "network.ipv4.ip_forward",
    "dev.hpet.max-user-freq",
    "abi.vsyscall32",
    *map(name_of, NET_SHARED),
]


@pytest.mark.parametrize("name", HOSTS)
def test_what_is_the_hosts_is_refused(name: str) -> None:
    for written in (name, path_of(name)):
        (problem,) = problems_of(Sysctl({written: 1}), facts=ALL)
        assert problem.key == f"values.{written}"
        assert problem.text == "is not known to belong to a namespace: it would be set for the whole host"


@pytest.mark.parametrize("name", ["kernel.hostname", "kernel/domainname"])
def test_names_are_set_elsewhere(name: str) -> None:
    (problem,) = problems_of(Sysctl({name: "web"}), facts=ALL)
    assert (problem.key, problem.hint) == (f"values.{name}", "add ns-uts")


def test_a_suggestion() -> None:
    (problem,) = problems_of(Sysctl({"net.core.somaxcon": 1}), facts=ALL)
    assert problem.hint == 'did you mean "net.core.somaxconn"?'


def test_all_problems_come_together() -> None:
    values = {
        "kernel.sysrq": 1,
        "net.ipv4.ip_forward": 1,
        "net/ipv4/ip_forward": 0,
        "kernel.hostname": "x",
        "kernel.sem": 1,
    }
    problems = problems_of(Sysctl(values), facts=[IPC_NAMESPACE])
    assert [problem.key for problem in problems] == [
        "values.kernel.sysrq",
        "values.net.ipv4.ip_forward",
        "values.net/ipv4/ip_forward",
        "values.kernel.hostname",
    ]
    assert problems[2].text == "is the same as net.ipv4.ip_forward"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "hostname",
        ".net.ipv4.ip_forward",
        "net.ipv4.ip_forward.",
        "/proc/sys/kernel/core_pattern",
        "net..ipv4",
        "net//ipv4",
        "net./ipv4",
        "net/ipv4/../../kernel/core_pattern",
        "net.ipv4.//kernel.core_pattern",
        "net.ipv4/../kernel.core_pattern",
        "net.ipv4.conf.../.kernel.core_pattern",
        "kernel.shm_rmid_forced=1+kernel.core_pattern",
        "net.ipv4.ip_forward\nkernel.core_pattern",
        "net.ipv4.ip_forward\0",
        "net.ipv4.ip_forward ",
        "net.ipv4.%s",
        "net.ipv4.*",
        "net.ipv4.ip_förward",
        "net.ipv4." + "a" * 200,
    ],
)
def test_names_that_are_none(name: str) -> None:
    (problem,) = problems_of(Sysctl({name: 1}), facts=ALL)
    assert problem.key == f"values.{name}"
    assert problem.text.startswith('must be a name such as "net.ipv4.ip_forward"')


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "1\n",
        "1\n2",
        "1\0",
        " 1",
        "1 ",
        "\t1",
        "1\r",
        "é",
        "1" * 1001,
        True,
        None,
        1.5,
        [1],
        {"a": 1},
        2**64,
        -(2**31) - 1,
        "1+kernel.core_pattern=|/x\n",
    ],
)
def test_wrong_values(value: object) -> None:
    (problem,) = problems_of(Sysctl({"net.ipv4.ip_forward": value}), facts=ALL)
    assert problem.key.startswith("values.net.ipv4.ip_forward")
    assert "must be" in problem.text


@pytest.mark.parametrize("values", [None, 1, "net.ipv4.ip_forward=1", ["net.ipv4.ip_forward"], [("a.b", 1)], {1: 1}])
def test_wrong_tables(values: object) -> None:
    (problem,) = problems_of(Sysctl(values), facts=ALL)
    assert problem.key.startswith("values")
    assert "must be" in problem.text


NAMES = st.one_of(
    st.text(),
    st.from_regex(r"(net|kernel|fs|user)([./][a-z0-9_]+){1,4}", fullmatch=True),
    st.sampled_from(sorted(IPC | USER | NET_CORE)),
)
VALUES = st.one_of(st.integers(), st.text(), st.booleans(), st.none(), st.from_regex(r"[0-9 \t]+", fullmatch=True))


@settings(deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=4), st.sets(st.sampled_from(ALL)))
def test_what_is_planned_stays_in_the_containers_namespaces(values: dict[str, object], facts: set[Namespace]) -> None:
    """Planning raises nothing but DefinitionError, and lets no name through that is not of a namespace."""
    if problems_of(Sysctl(values), facts=[*facts]):
        return
    own = {fact.kind for fact in facts}
    for planned in planned_steps(plan_of(Sysctl(values), facts=[*facts]), "sysctl")[1:]:
        _, path, value = planned.step.arguments
        assert isinstance(path, str)
        assert isinstance(value, str)
        assert namespace_of(path) in own
        assert not path.startswith("/")
        assert not {"", ".", ".."} & {*path.split("/")}
        assert "\n" not in value
        assert "\0" not in path + value

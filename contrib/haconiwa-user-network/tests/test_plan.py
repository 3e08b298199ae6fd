import os
from itertools import pairwise
from pathlib import Path

import pytest
from haconiwa_user_network import UserNetwork
from haconiwa_user_network.helpers import start_pasta, start_slirp4netns

from haconiwa_core.facts import IdMap, IdRange, Namespace
from haconiwa_core.feature import Feature
from haconiwa_core.linux.constants import CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWTIME, CLONE_NEWUSER
from haconiwa_core.operation import Slot
from haconiwa_core.stages import Stage
from haconiwa_core.testing import all_plugins, functions, host, plan_of, planned_steps, problems_of

SECTION = UserNetwork.section
NET, MOUNTS = Namespace("net", CLONE_NEWNET), Namespace("mnt", CLONE_NEWNS)
USER = (Namespace("user", CLONE_NEWUSER), IdMap((IdRange(0, 1000),), (IdRange(0, 1001),), may_set_groups=False))
ROOTLESS = (*USER, NET, MOUNTS)
ALICE = host(uid=1000, gid=1001, capabilities=0)


def helper(*facts: object, **options: object) -> tuple[object, tuple[str, ...]]:
    """Return the function that starts what forwards, and its options."""
    steps = planned_steps(
        plan_of(UserNetwork(**options), facts=facts, host=ALICE if USER[0] in facts else host()), SECTION
    )
    (step,) = (planned.step for planned in steps if planned.step.stage is Stage.ADOPT)
    assert step.undo is not None
    assert step.undo.arguments == ("user-network", Slot("directory"))
    found = step.arguments[0]
    assert isinstance(found, tuple)
    return step.function, found


def test_pasta_in_a_user_namespace_and_slirp4netns_without() -> None:
    assert helper(*ROOTLESS)[0] is start_pasta
    assert helper(NET, MOUNTS)[0] is start_slirp4netns
    assert helper(*ROOTLESS, helper="slirp4netns")[0] is start_slirp4netns


def test_pasta_publishes_nothing_that_is_not_asked_for() -> None:
    options = helper(*ROOTLESS)[1]
    for option in ("--tcp-ports", "--udp-ports", "--tcp-ns", "--udp-ns"):
        assert (option, "none") in pairwise(options)
    assert "--no-map-gw" in options
    some = helper(*ROOTLESS, ports=["127.0.0.1:8080:80", "53:5353/udp", "81:81"], host_loopback=True)[1]
    assert [pair for pair in pairwise(some) if pair[0].endswith("-ports")] == [
        ("--tcp-ports", "127.0.0.1/8080:80"),
        ("--udp-ports", "53:5353"),
        ("--tcp-ports", "81:81"),
    ]
    assert "--no-map-gw" not in some


def test_slirp4netns_is_closed_in() -> None:
    options = helper(NET, MOUNTS)[1]
    assert {"--enable-sandbox", "--enable-seccomp", "--disable-host-loopback", "--cidr=10.0.2.0/24"} <= set(options)
    assert "--disable-host-loopback" not in helper(NET, MOUNTS, host_loopback=True)[1]


@pytest.mark.parametrize(
    ("options", "files"),
    [
        ({}, {"resolv.conf": b"nameserver 10.0.2.3\n"}),
        ({"subnet": "10.9.0.0/16"}, {"resolv.conf": b"nameserver 10.9.0.3\n"}),
        ({"dns": ["192.0.2.1", "2001:db8::1"]}, {"resolv.conf": b"nameserver 192.0.2.1\nnameserver 2001:db8::1\n"}),
        ({"dns": []}, {}),
        (
            {"dns": [], "hosts": ["db:10.0.2.2", "six:::1"]},
            {"hosts": b"127.0.0.1 localhost\n::1 localhost\n10.0.2.100 test\n10.0.2.2 db\n::1 six\n"},
        ),
    ],
)
def test_files(options: dict[str, object], files: dict[str, bytes]) -> None:
    steps = planned_steps(plan_of(UserNetwork(**options), facts=[NET, MOUNTS]), SECTION)
    written = [item.step.arguments for item in steps if item.step.function.__name__ == "write_file_in"]
    assert {name: content for _, name, content in written} == files


@pytest.mark.parametrize(
    ("options", "key", "text"),
    [
        ({"ports": ["80"]}, "ports[0]", "must be a port, such as"),
        ({"ports": ["0:80"]}, "ports", "*:0:80/tcp: ports are 1 to 65535"),
        ({"ports": ["80:70000"]}, "ports", "*:80:70000/tcp: ports are 1 to 65535"),
        ({"ports": ["300.0.0.1:80:80"]}, "ports", "'300.0.0.1' is no IP address"),
        ({"ports": ["80:80", "80:81"]}, "ports", "port 80/tcp is published twice"),
        ({"ports": ["0.0.0.0:80:80"]}, "ports", "0.0.0.0:80:80/tcp: every address of the host is meant without one"),
        ({"ports": ["127.0.0.1:53:53/udp"]}, "ports", "127.0.0.1:53:53/udp: slirp4netns loses answers by UDP"),
        ({"subnet": "10.0.2.0/26"}, "subnet", "10.0.2.0/26 has no host number 100"),
        ({"subnet": "10.0.2.1/24"}, "subnet", "10.0.2.1/24 has host bits set"),
        ({"dns": ["1.2.3"]}, "dns", "'1.2.3' is no IP address"),
        ({"hosts": ["db"]}, "hosts[0]", 'must be a name and its address, such as "db:10.0.2.2"'),
        ({"hosts": ["db:1.2.3"]}, "hosts", "'1.2.3' is no IP address"),
        (
            {"helper": "pasta"},
            "helper",
            "pasta gives up the rights that it needs for a network namespace of the host's",
        ),
    ],
)
def test_what_is_wrong(options: dict[str, object], key: str, text: str) -> None:
    (problem,) = problems_of(UserNetwork(**options), facts=[NET, MOUNTS])
    assert (problem.key, problem.text[: len(text)]) == (key, text)


def test_what_it_needs() -> None:
    (problem,) = problems_of(UserNetwork(), facts=[MOUNTS])
    assert (problem.text, problem.hint) == ("needs Namespace net", "add ns-net")
    (problem,) = problems_of(UserNetwork(), facts=[NET])
    assert problem.text == "files of the container's own need a mount namespace"
    assert "start_slirp4netns" in functions(plan_of(UserNetwork(dns=[]), facts=[NET]))
    (problem,) = problems_of(UserNetwork(), facts=[NET._replace(joined=True), MOUNTS])
    assert problem.text.startswith("a network that is joined has what it has")
    (problem,) = problems_of(UserNetwork(), facts=[*ROOTLESS, Namespace("time", CLONE_NEWTIME)], host=ALICE)
    assert problem.text.startswith("cannot be together with published for an ordinary user: CAP_SYS_ADMIN")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, []),
        ({"ports": ["127.0.0.1:8080:80"]}, []),
        ({"ports": ["8080:80"]}, ["USER-NETWORK-PUBLISHED"]),
        ({"host_loopback": True}, ["USER-NETWORK-LOOPBACK"]),
    ],
)
def test_findings(options: dict[str, object], found: list[str]) -> None:
    feature: Feature = UserNetwork(**options)
    plan = plan_of(feature, facts=[NET, MOUNTS])
    assert [item.code for item in all_plugins().findings(SECTION, plan)] == found


def test_the_doctor_is_told_what_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {item.name: item for item in all_plugins().diagnose(SECTION)}
    assert (found["pasta"].state, found["pasta"].remedy) == ("degraded", "apt-get install passt")
    (tmp_path / "pasta").touch(mode=0o755)
    assert {item.name: item.state for item in all_plugins().diagnose(SECTION)}["pasta"] == "ok"
    assert found["/dev/net/tun"].state == ("ok" if os.access("/dev/net/tun", os.R_OK | os.W_OK) else "missing")

import pytest
from haconiwa_network import Network
from haconiwa_network.links import connect_to_bridge, connect_to_parent

from haconiwa_core.facts import Namespace
from haconiwa_core.linux.constants import CLONE_NEWNET, CLONE_NEWNS
from haconiwa_core.operation import Slot
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_core.testing import all_plugins, host, plan_of, planned_steps, problems_of

NET, MOUNTS = Namespace("net", CLONE_NEWNET), Namespace("mnt", CLONE_NEWNS)


SIX = {"subnet": "", "subnet6": "fd00:68::/64"}


def steps(**options: object) -> list[Step]:
    return [
        planned.step for planned in planned_steps(plan_of(Network(**options), facts=[NET, MOUNTS]), Network.section)
    ]


def test_a_bridge_is_the_gateway_unless_told_otherwise() -> None:
    lease, connect = steps()
    assert lease.arguments == ("haconiwa0", "10.209.0.0/16", "", "10.209.0.1", Slot("directory"))
    assert connect.function is connect_to_bridge
    assert steps(gateway="10.209.0.9")[0].arguments[3] == "10.209.0.9"


def test_a_part_of_a_device_has_the_gateway_that_is_told() -> None:
    lease, connect = steps(kind="macvlan", parent="eth1", subnet="192.0.2.0/24")
    assert lease.arguments == ("eth1", "192.0.2.0/24", "", "", Slot("directory"))
    assert connect.function is connect_to_parent


def test_all_that_is_made_on_the_host_is_undone() -> None:
    made = [step for step in steps(subnet6="fd00:68::/64") if step.stage in (Stage.PREPARE, Stage.ADOPT)]
    assert [(step.undo.function.__name__, step.undo.arguments[0]) for step in made if step.undo] == [
        ("leave_share", "lease-4"),
        ("leave_share", "lease-6"),
        ("send_own_messages", "network"),
    ]


@pytest.mark.parametrize(
    ("options", "key", "text"),
    [
        ({"bridge": "a-name-of-16-byte"}, "bridge", "must be a name of at most 15 letters"),
        ({"kind": "macvlan"}, "parent", "macvlan needs a device of the host"),
        ({"parent": "eth0"}, "parent", "a bridge is no part of a device"),
        ({"subnet": "10.0.0.1/24"}, "subnet", "10.0.0.1/24 has host bits set"),
        ({"subnet": "10.0.0.0/31"}, "subnet", "10.0.0.0/31 is no IPv4 network of /8 to /30"),
        ({"subnet": "fd00::/64"}, "subnet", "fd00::/64 is no IPv4 network"),
        ({"subnet6": "fd00::/127"}, "subnet6", "fd00::/127 is no IPv6 network of /64 to /126"),
        ({"subnet": ""}, "subnet", "there is neither an IPv4 nor an IPv6 pool"),
        ({"address": "10.1.0.1"}, "address", "'10.1.0.1' is no host's address in 10.209.0.0/16"),
        ({"address": "10.209.0.0"}, "address", "'10.209.0.0' is no host's address in 10.209.0.0/16"),
        ({"address6": "fd00::2"}, "address6", "there is no pool for it"),
        ({"dns": ["1.2.3"]}, "dns", "'1.2.3' is no IP address"),
        ({"ports": ["0:80"]}, "ports[0]", "0 is no port: 1 to 65535"),
        ({"ports": ["80:65536"]}, "ports[0]", "65536 is no port"),
        ({"ports": ["300.1.1.1:80:80"]}, "ports[0]", "'300.1.1.1' does not appear to be"),
        ({"ports": ["[::1]:80:80"]}, "ports[0]", "the kernel sends no packet for ::1 elsewhere"),
        ({"ports": ["0.0.0.0:80:80"]}, "ports[0]", "leave 0.0.0.0 out for all addresses"),
        ({"ports": ["80:80\n"]}, "ports[0]", "must be a port"),
        ({"to": ["10.0.0.1/8"]}, "to[0]", "10.0.0.1/8 has host bits set"),
        ({"to": ["[fd00::1:80"]}, "to[0]", "must be a destination"),
        ({"ports": ["80:80", "[fd00::1]:81:80"]}, "ports[1]", "the container has no IPv6 address"),
        ({**SIX, "ports": ["127.0.0.1:80:80"]}, "ports[0]", "the container has no IPv4 address"),
        ({"to": ["10.0.0.1", "[fd00::1]:80"]}, "to[1]", "the container has no IPv6 address"),
        ({**SIX, "to": ["10.0.0.0/8"]}, "to[0]", "the container has no IPv4 address"),
        ({"ports": ["80:80", "81:80", "80:81/tcp"]}, "ports[2]", "port 80/tcp is published by ports[0], too"),
        ({"ports": ["127.0.0.1:80:80", "80:81"]}, "ports[1]", "port 80/tcp is published by ports[0], too"),
        ({"to": ["10.0.0.0/8:80", "10.0.0.0/8:80/tcp"]}, "to[1]", "is a part of to[0], or the same"),
        ({"to": ["10.0.0.0/8", "10.1.0.0/16:80"]}, "to[1]", "is a part of to[0], or the same"),
        ({"to": ["10.1.0.0/16:80", "192.0.2.1", "10.0.0.0/8/tcp"]}, "to[0]", "is a part of to[2], or the same"),
        ({"kind": "ipvlan", "parent": "eth1", "to": []}, "to", "what passes by ipvlan is not seen"),
        ({"hosts": ["db:1.2.3"]}, "hosts", "'1.2.3' is no IP address"),
    ],
)
def test_what_is_wrong(options: dict[str, object], key: str, text: str) -> None:
    (problem,) = problems_of(Network(**options), facts=[NET, MOUNTS])
    assert (problem.key, problem.text[: len(text)]) == (key, text)


@pytest.mark.parametrize(
    "options",
    [
        {"ports": ["80:80", "80:80/udp", "127.0.0.1:81:80", "127.0.0.2:81:80"]},
        {"to": ["10.0.0.0/8:80", "10.1.0.0/16:81", "10.1.0.0/16:80/udp", "10.1.0.0/24"]},
        {**SIX, "ports": ["80:80", "[fd00::1]:81:80"], "to": ["[fd00::]/64:80", "[fd00:0:0:1::]/64:80"]},
        {"subnet6": "fd00:68::/64", "ports": ["[fd00::1]:80:80", "10.0.0.1:80:80"], "to": ["[fd00::1]", "10.0.0.1"]},
    ],
)
def test_what_only_looks_like_it(options: dict[str, object]) -> None:
    assert list(problems_of(Network(**options), facts=[NET, MOUNTS])) == []


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"to": []}, []),
        ({"to": ["10.0.0.0/8"], "ports": ["127.0.0.1:8080:80"]}, []),
        ({"to": [], "ports": ["127.0.0.1:8080:80", "8081:80"]}, ["NETWORK-PUBLISHED"]),
        ({}, ["NETWORK-OPEN"]),
        ({"kind": "macvlan", "parent": "eth1"}, ["NETWORK-OPEN"]),
    ],
)
def test_findings(options: dict[str, object], found: list[str]) -> None:
    plan = plan_of(Network(**options), facts=[NET, MOUNTS])
    assert [item.code for item in all_plugins().findings(Network.section, plan)] == found


def test_what_it_needs() -> None:
    (problem,) = problems_of(Network(), facts=[MOUNTS])
    assert (problem.text, problem.hint) == ("needs Namespace net", "add ns-net")
    (problem,) = problems_of(Network(), facts=[NET._replace(joined=True), MOUNTS])
    assert problem.text.startswith("a network that is joined has what it has")
    (problem,) = problems_of(Network(dns=["192.0.2.1"]), facts=[NET])
    assert problem.text == "files of the container's own need a mount namespace"
    problems = problems_of(Network(), facts=[NET, MOUNTS], host=host(uid=1000, gid=1000, capabilities=0))
    assert any("use user-network" in problem.hint for problem in problems)


def test_the_rules_are_undone_and_only_where_they_are_asked_for() -> None:
    made = steps(ports=["8080:80", "53:53/udp"], to=[])
    undone = [(step.undo.function.__name__, step.undo.arguments[0]) for step in made if step.undo]
    assert ("leave_share", "port-0") in undone
    assert ("leave_share", "port-1") in undone
    assert ("leave_share", "rules") in undone
    assert ("send_own_messages", "rules") in undone
    assert all("rules" not in step.function.__module__ for step in steps())

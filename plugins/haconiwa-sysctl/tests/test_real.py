import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from haconiwa_sysctl import Sysctl
from haconiwa_sysctl.names import IPC

from haconiwa_core.errors import SetupError
from haconiwa_core.facts import Namespace
from haconiwa_core.linux.constants import CLONE_NEWIPC, CLONE_NEWNET
from haconiwa_core.testing import needs_namespace, needs_root, run, run_attached, started

FACTS = (Namespace("net", CLONE_NEWNET), Namespace("ipc", CLONE_NEWIPC))
SYSTEM = Path("/proc/sys")

pytestmark = [needs_root, needs_namespace("net"), needs_namespace("ipc")]


def inside(values: dict[str, int | str], *paths: str) -> list[str]:
    outcome = run(Sysctl(values), facts=FACTS, command=["cat", *(str(SYSTEM / path) for path in paths)])
    assert outcome.exit_status == 0, outcome.stderr
    return [line.replace("\t", " ") for line in outcome.stdout.splitlines()]


def on_host(path: str) -> str:
    return (SYSTEM / path).read_text()


VALUES = [
    ("net.ipv4.ip_forward", "net/ipv4/ip_forward", 1),
    ("net.ipv4.ip_local_port_range", "net/ipv4/ip_local_port_range", "20000 20010"),
    ("net.ipv4.ip_local_reserved_ports", "net/ipv4/ip_local_reserved_ports", "20003,20005-20007"),
    ("net.ipv4.ping_group_range", "net/ipv4/ping_group_range", "0\t77"),
    ("net/ipv4/conf/lo/rp_filter", "net/ipv4/conf/lo/rp_filter", 2),
    ("net.ipv4.tcp_rmem", "net/ipv4/tcp_rmem", "4096  131072   999999"),
    ("net.ipv4.tcp_keepalive_time", "net/ipv4/tcp_keepalive_time", "1234"),
    ("net.core.somaxconn", "net/core/somaxconn", 77),
    ("net.unix.max_dgram_qlen", "net/unix/max_dgram_qlen", 78),
    ("kernel.shmmax", "kernel/shmmax", 2**64 - 1),
    ("kernel.sem", "kernel/sem", "250 32000 32 128"),
    ("fs.mqueue.queues_max", "fs/mqueue/queues_max", 7),
]


@pytest.mark.parametrize(("name", "path", "value"), VALUES, ids=str)
def test_the_value_is_the_containers_alone(name: str, path: str, value: int | str) -> None:
    before = on_host(path)
    shown = " ".join(str(value).split())
    assert before.split() != shown.split(), "the host has this value, which shows nothing"
    assert inside({name: value}, path) == [shown]
    assert inside({}, path) != [shown]
    assert on_host(path) == before


def test_all_at_once_and_for_what_is_attached() -> None:
    feature = Sysctl({name: value for name, _, value in VALUES})
    command = ["cat", *(str(SYSTEM / path) for _, path, _ in VALUES)]
    expected = run(feature, facts=FACTS, command=command).stdout
    assert [line.split() for line in expected.splitlines()] == [str(value).split() for _, _, value in VALUES]
    with started(feature, facts=FACTS) as running:
        assert run_attached(running, feature, facts=FACTS, command=command).stdout == expected


def test_the_order_is_kept() -> None:
    """Forwarding sets that of every device, and the other way round it does not."""
    forward, device = {"net.ipv4.ip_forward": 1}, {"net.ipv4.conf.lo.forwarding": 0}
    paths = ("net/ipv4/ip_forward", "net/ipv4/conf/lo/forwarding")
    assert inside({**forward, **device}, *paths) == ["1", "0"]
    assert inside({**device, **forward}, *paths) == ["1", "1"]


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        ({"net.ipv4.no_such": 1}, "has no such parameter"),
        ({"net.ipv4.conf.eth77.forwarding": 1}, "has no such parameter"),
        ({"net.ipv4.tcp_mem": "1 2 3"}, "has no such parameter"),
        ({"net.ipv4.tcp_available_congestion_control": "reno"}, "it is read-only"),
        ({"net.ipv4.ip_default_ttl": 256}, "does not take this value"),
        ({"net.ipv4.ip_forward": "yes"}, "does not take this value"),
        ({"net.ipv4.ip_local_reserved_ports": "81,80"}, "as sysctl(8) prints it"),
        ({"net.ipv4.tcp_keepalive_time": "0x10"}, "as sysctl(8) prints it"),
        ({"net.ipv4.ip_forward": "1 2"}, ""),
        ({"net.ipv4.tcp_congestion_control": "no-such"}, ""),
    ],
)
def test_what_the_kernel_does_not_take(values: dict[str, int | str], advice: str) -> None:
    before = on_host("net/ipv4/ip_forward")
    with pytest.raises(SetupError) as caught:
        run(Sysctl(values), facts=FACTS, command=["true"])
    assert (caught.value.plugin, caught.value.stage) == ("sysctl", "IDENTITY")
    assert advice in caught.value.remedy
    assert on_host("net/ipv4/ip_forward") == before


CHANGE = """
import json, os
from haconiwa_sysctl.names import namespace_of
changed = {}
for folder, _, names in os.walk("/proc/sys"):
    for path in (os.path.join(folder, name) for name in names):
        if namespace_of(os.path.relpath(path, "/proc/sys")) not in ("net", "ipc"):
            continue
        for difference in (-1, 1):
            try:
                with open(path, "r+") as file:
                    former = file.read().split()
                    wanted = [str(int(word) + difference) for word in former]
                    file.seek(0)
                    file.write(" ".join(wanted))
                with open(path) as file:
                    changed[path] = file.read().split() == wanted
            except (OSError, ValueError):
                continue
            break
print(json.dumps(changed))
"""
"""Changes everything that the table takes for the container's own."""


def parameters() -> Iterator[tuple[str, str]]:
    for folder, _, names in os.walk(SYSTEM):
        for path in (os.path.join(folder, name) for name in names):
            # Of what counts or is drawn by lot no two looks are equal.
            if re.search(r"/(random|fs/[a-z]+-(nr|state)|kernel/(ns_last_pid|pty/nr))", path):
                continue
            with suppress(OSError):
                yield path, Path(path).read_text()


def test_the_table_names_nothing_that_is_the_hosts() -> None:
    before = dict(parameters())
    try:
        outcome = run(facts=FACTS, command=[sys.executable, "-I", "-c", CHANGE])
        assert outcome.exit_status == 0, outcome.stderr
        changed = json.loads(outcome.stdout)
        after = dict(parameters())
        assert {path: (before[path], after[path]) for path in before if after.get(path) != before[path]} == {}
    finally:
        for path, value in dict(parameters()).items():
            if value != before.get(path, value):
                Path(path).write_text(before[path])
    assert {f"{SYSTEM}/{path}" for path in IPC} <= {path for path, done in changed.items() if done}
    assert sum(changed.values()) > 100

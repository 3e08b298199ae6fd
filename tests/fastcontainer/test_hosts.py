"""Several hosts share services; one of them goes away, or is away for a while, and so does their database."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from documentation.pages import check_page
from fastcontainer.fronts import until
from fastcontainer.hosts import WHERE, HostOfFront, ask, make_bridge, write_tenants
from haconiwa_fastcontainer.state import LEASE
from haconiwa_runtime import recorded
from haconiwa_state_postgres.testing import Database, find_programs
from psycopg.conninfo import conninfo_to_dict
from system.world import libc

from haconiwa_core.linux.constants import CLONE_NEWNET
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing import needs_program, needs_root

README = Path(__file__).resolve().parents[2] / "contrib/haconiwa-state-postgres/README.md"
PROGRAMS = find_programs()
pytestmark = [
    needs_root,
    needs_program("ip"),
    needs_program("nsenter"),
    pytest.mark.skipif(PROGRAMS is None, reason="no PostgreSQL server is installed"),
]

MakeHosts = Callable[..., list[HostOfFront]]


@pytest.fixture(scope="module")
def server() -> Iterator[Database]:
    made = Database(PROGRAMS)
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture
def database(server: Database) -> Database:
    """Give a server that has nothing yet."""
    server.execute("DROP SCHEMA IF EXISTS haconiwa CASCADE")
    return server


@pytest.fixture
def make_hosts(database: Database, tmp_path: Path) -> Iterator[MakeHosts]:
    """Give a function that makes hosts; this test's network is that of their clients."""
    made: list[HostOfFront] = []

    def make(number: int, **options: list[str]) -> list[HostOfFront]:
        for each in range(1, number + 1):
            name = f"host{each}"
            made.append(HostOfFront(tmp_path / name, each, database.url, options.get(name, ())))
        return made

    former = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    libc("unshare", CLONE_NEWNET)
    try:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        make_bridge()
        yield make
    finally:
        for host in made:
            host.close()
        libc("setns", former, CLONE_NEWNET)
        os.close(former)


def _start(hosts: list[HostOfFront], tenants: int = 0) -> None:
    """Start all fronts, with the definitions of the first one."""
    write_tenants(hosts[0].front, range(tenants))
    for host in hosts:
        host.front.files = hosts[0].front.files
        host.front.start()


def test_requests_at_two_hosts_make_one_start(make_hosts: MakeHosts) -> None:
    hosts = make_hosts(2)
    _start(hosts, 1)
    with ThreadPoolExecutor(40) as threads:
        where = set(threads.map(ask, hosts * 20))
    assert len(where) == 1
    assert sum(len(host.started()) for host in hosts) == 1


def test_no_host_gets_more_than_it_takes(make_hosts: MakeHosts) -> None:
    hosts = make_hosts(3, host1=["--most", "1"], host2=["--most", "1"], host3=["--most", "4"])
    _start(hosts, 7)
    where = [ask(hosts[0], tenant) for tenant in range(6)]
    assert sorted(where) == sorted([hosts[0].address, hosts[1].address, *[hosts[2].address] * 4])
    with hosts[0].connect(6) as refused:
        assert refused.recv(1) == b""
    (event,) = hosts[0].front.events("full")
    assert event["reason"] == "no host takes another instance"


def test_failed_start_on_another_host_is_told(make_hosts: MakeHosts) -> None:
    hosts = make_hosts(2, host1=["--most", "0"])
    write_tenants(hosts[0].front, [0], program="raise SystemExit('no configuration')")
    _start(hosts)
    with hosts[0].connect() as refused:
        assert refused.recv(1) == b""
    (event,) = hosts[0].front.events("failed")
    assert event["reason"] == "the host host2 has not started it"
    assert "no configuration" in hosts[1].front.haconiwa("logs", event["instance"])


FAILS_ONCE = """
    import os, sys
    try:
        os.unlink({once!r})
    except FileNotFoundError:
        pass
    else:
        sys.exit("once")
"""


def test_start_that_fails_on_one_host_is_tried_on_another(make_hosts: MakeHosts, tmp_path: Path) -> None:
    hosts = make_hosts(3, host1=["--most", "0"])
    once = tmp_path / "once"
    once.touch()
    write_tenants(hosts[0].front, [0], program=FAILS_ONCE.format(once=str(once)) + WHERE)
    _start(hosts)
    where = ask(hosts[0])
    assert where in (hosts[1].address, hosts[2].address)
    assert [len(host.started()) for host in hosts[1:]] == [int(where == host.address) for host in hosts[1:]]
    assert [len(list(host.front.events("failed"))) for host in hosts[1:]] == [
        int(where != host.address) for host in hosts[1:]
    ]


def test_host_declines_what_is_not_declared_there(make_hosts: MakeHosts) -> None:
    hosts = make_hosts(2, host1=["--most", "0"])
    write_tenants(hosts[0].front, [0])
    write_tenants(hosts[1].front, [1])
    for host in hosts:
        host.front.start()
    with hosts[0].connect() as refused:
        assert refused.recv(1) == b""
    (event,) = hosts[1].front.events("declined")
    assert (event["service"], event["reason"]) == ("tenant0", "this front has no such service")
    (event,) = hosts[0].front.events("failed")
    assert event["reason"] == "the host host2 has not started it"


def test_instance_that_only_its_host_reaches(make_hosts: MakeHosts) -> None:
    hosts = make_hosts(2)
    hosts[0].front.write("tenant0", WHERE, 'protocol = "tcp"\nlisten = ["0.0.0.0:7000"]\nport = 80')
    _start(hosts)
    assert ask(hosts[0]) == "127.0.0.1"
    began = time.monotonic()
    with hosts[1].connect() as refused:
        assert refused.recv(1) == b""
    # It was told at once, and has not waited for as long as a request may.
    assert time.monotonic() - began < 20
    assert [len(host.started()) for host in hosts] == [1, 0]


def test_one_name_is_one_hosts(make_hosts: MakeHosts) -> None:
    hosts = make_hosts(2, host2=["--host", "host1"])
    _start(hosts[:1], 1)
    other = hosts[1].front
    other.files = hosts[0].front.files
    other.arguments[1] = other.arguments[1].replace("haconiwa@", "haconiwa:secret@")
    with pytest.raises(AssertionError, match="another front has reported a host host1"):
        other.start()
    assert "secret" not in other.errors
    # The front that follows on the same host is no other one, and goes on with what there is.
    assert ask(hosts[0]) == hosts[0].address
    hosts[0].front.kill()
    hosts[0].front.start()
    assert ask(hosts[0]) == hosts[0].address
    assert len(hosts[0].started()) == 1


class Asking:
    """Asks tenants at hosts all the time, until it ends; then it has the answers and the failures."""

    def __init__(self, hosts: list[HostOfFront], tenants: list[int]) -> None:
        self.answers: list[str] = []
        self.failures: list[Exception] = []
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(host, tenants)) for host in hosts]

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, host: HostOfFront, tenants: list[int]) -> None:
        while not self._end.wait(0.02):
            for tenant in tenants:
                try:
                    self.answers.append(ask(host, tenant))
                except (OSError, AssertionError) as error:
                    self.failures.append(error)


def test_tenants_of_a_host_that_dies_are_started_elsewhere(make_hosts: MakeHosts) -> None:
    hosts = make_hosts(3, **{f"host{number}": ["--most", "4"] for number in (1, 2, 3)})
    _start(hosts, 5)
    where = [ask(hosts[0], tenant) for tenant in range(5)]
    victim = next(host for host in hosts if host.address == where[0])
    lost = [tenant for tenant in range(5) if where[tenant] == victim.address]
    others = [tenant for tenant in range(5) if tenant not in lost]
    left = [host for host in hosts if host is not victim]
    assert others
    with Asking(left, others) as asking:
        victim.die()
        began = time.monotonic()
        # Requests that come before its lease has run out wait for that.
        again = [ask(left[0], tenant) for tenant in lost]
        took = time.monotonic() - began
    assert victim.address not in again
    assert took < 3 * LEASE
    assert asking.answers
    assert not asking.failures


def test_restart_of_the_database_loses_nothing(make_hosts: MakeHosts, database: Database) -> None:
    hosts = make_hosts(3)
    write_tenants(hosts[0].front, range(4))
    write_tenants(hosts[0].front, [4], "hold = 2")
    _start(hosts)
    where = [ask(hosts[tenant], tenant) for tenant in range(3)]
    with Asking(hosts, [0, 1, 2]) as asking, ThreadPoolExecutor(3) as threads:
        database.stop()
        time.sleep(1)
        waiting = [threads.submit(ask, host, 3) for host in hosts]
        with hosts[0].connect(4) as refused:
            assert refused.recv(1) == b""  # It has waited as long as its service lets it.
        time.sleep(LEASE)
        assert not any(each.done() for each in waiting)
        during = len(asking.answers)
        database.start()
        assert len({each.result() for each in waiting}) == 1
        time.sleep(LEASE / 2)
    assert during
    assert not asking.failures
    assert [ask(hosts[tenant], tenant) for tenant in range(3)] == where
    assert sum(len(host.started()) for host in hosts) == 4
    assert not any(list(host.front.events("ended")) for host in hosts)
    for host in hosts:
        gone, back = host.front.events("state")
        assert (gone["reached"], back["reached"]) == (False, True)
        assert "the state in PostgreSQL: " in gone["reason"]


def test_host_that_counted_as_gone_gives_up_what_others_have_started(make_hosts: MakeHosts) -> None:
    hosts = make_hosts(2)
    _start(hosts, 1)
    first = next(host for host in hosts if host.address == ask(hosts[0]))
    second = next(host for host in hosts if host is not first)
    (old,) = first.started()
    first.signal(signal.SIGSTOP)
    # Its container goes on, and is used until the lease has run out.
    until(lambda: ask(second) == second.address, "that it is started elsewhere", 6 * LEASE)
    first.signal(signal.SIGCONT)
    until(lambda: old not in first.front.containers(), "that it ends here")
    assert ask(first) == second.address


def test_commands_do_what_the_readme_shows(database: Database, tmp_path: Path) -> None:
    database.execute("CREATE DATABASE haconiwa")
    user = conninfo_to_dict(database.url)["user"]
    check_page(README, tmp_path, PGHOST=str(database.folder), PGUSER=str(user))
    stores = [Store(tmp_path / name) for name in ("one", "two")]
    (found,) = [(store, name) for store in stores for name in store.names()]
    recorded.remove(*found, force=True)

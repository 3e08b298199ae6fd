"""On which host an instance is started."""

from random import Random

from haconiwa_fastcontainer.fleet.placement import place
from haconiwa_fastcontainer.state import Host
from hypothesis import given, strategies as st

PLENTY = 1 << 30

names = st.sampled_from("abcdefgh")
hosts_of_any_kind = st.lists(
    st.builds(
        Host,
        names,
        st.integers(0, 12),
        st.integers(0, 10),
        st.integers(0, PLENTY),
        st.floats(0, 1),
        st.sampled_from(["", "10.0.0.1"]),
    ),
    unique_by=lambda host: host.name,
    max_size=8,
)


def own_of(hosts: list[Host]) -> Host:
    return hosts[0] if hosts else Host("own", 0, 10, PLENTY, 0.0)


@given(hosts_of_any_kind, st.booleans(), st.sets(names))
def test_only_what_has_room_and_is_reached_is_chosen(hosts: list[Host], anywhere: bool, avoided: set[str]) -> None:
    own = own_of(hosts)
    chosen = place(own, hosts, anywhere=anywhere, avoided=avoided)
    able = {
        host.name
        for host in hosts
        if host.instances < host.most and (host.name == own.name or (anywhere and host.address))
    }
    assert (chosen in able) if able else (chosen is None)
    if able - avoided:
        assert chosen not in avoided


@given(hosts_of_any_kind, st.randoms())
def test_order_does_not_matter(hosts: list[Host], random: Random) -> None:
    own = own_of(hosts)
    mixed = list(hosts)
    random.shuffle(mixed)
    assert place(own, hosts, anywhere=True) == place(own, mixed, anywhere=True)


@given(hosts_of_any_kind)
def test_no_other_host_has_room_in_every_respect(hosts: list[Host]) -> None:
    chosen = place(own_of(hosts), hosts, anywhere=True)
    for host in hosts:
        if host.name != chosen and host.address and host.instances < host.most:
            taken = next(each for each in hosts if each.name == chosen)
            is_emptier = host.instances / host.most < taken.instances / taken.most
            assert not (is_emptier and host.load <= taken.load and host.memory > taken.memory)


@given(st.integers(1, 5), st.integers(1, 20))
def test_instances_are_spread_over_equal_hosts(number: int, instances: int) -> None:
    hosts = {name: Host(name, 0, 20, PLENTY, 0.5, "10.0.0.1") for name in "abcde"[:number]}
    own = hosts["a"]
    for _ in range(instances):
        chosen = place(own, list(hosts.values()), anywhere=True)
        assert chosen
        hosts[chosen] = hosts[chosen]._replace(instances=hosts[chosen].instances + 1)
    counts = [host.instances for host in hosts.values()]
    assert max(counts) - min(counts) <= 1


def test_own_host_is_preferred_among_equals() -> None:
    hosts = [Host(name, 1, 10, PLENTY, 0.1, "10.0.0.1") for name in "abc"]
    assert [place(host, hosts, anywhere=True) for host in hosts] == ["a", "b", "c"]


def test_busy_hosts_and_those_without_memory_are_last() -> None:
    own = Host("own", 0, 10, PLENTY, 0.95)
    busy = Host("busy", 0, 10, PLENTY, 1.0, "10.0.0.1")
    small = Host("small", 0, 10, 1 << 20, 0.0, "10.0.0.1")
    full = Host("almost", 9, 10, PLENTY, 0.1, "10.0.0.1")
    assert place(own, [own, busy, small, full], anywhere=True) == "almost"
    assert place(own, [own, busy, small], anywhere=True) == "small"
    assert place(own, [own, busy], anywhere=True) == "own"

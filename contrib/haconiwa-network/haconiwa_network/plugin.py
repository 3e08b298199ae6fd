"""Network: leases are taken first, links are made when there is a namespace, files are mounted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from haconiwa_core import linux
from haconiwa_core.errors import DefinitionError
from haconiwa_core.facts import Namespace, NewRoot
from haconiwa_core.feature import Feature
from haconiwa_core.operation import Slot
from haconiwa_core.planning.context import Planning
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_network import Network

if TYPE_CHECKING:
    from haconiwa_core.diagnosis import Diagnosis
    from haconiwa_core.finding import Finding
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row
    from haconiwa_core.planning.plan import Plan

_TARGET, _DIRECTORY = Slot("target"), Slot("directory")
_RESOLVER, _HOSTS = Slot("network-resolver"), Slot("network-hosts")


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Network


@hookimpl
def haconiwa_steps(feature: Network, planning: Planning) -> Iterator[Step]:
    """Lease addresses, connect, and give the container the files by which it finds names."""
    planning.need(Namespace, "net")
    if planning.entry == "attach":
        return
    from haconiwa_network.problems import problems_of, problems_with

    problems = [*problems_of(feature), *problems_with(feature, planning)]
    if problems:
        raise DefinitionError(problems)
    yield from _leases(feature)
    yield _connected(feature)
    yield from _rules(feature)
    yield from _files(feature, planning.container.name)


@hookimpl
def haconiwa_status(feature: Network, name: str) -> Mapping[str, object] | None:
    """Tell the addresses that it was given, and its published ports."""
    from haconiwa_core.runtime.store import Store
    from haconiwa_network.addresses import noted_leases

    leases = noted_leases(str(Store().directory / name))
    return {
        "interface": feature.interface,
        "addresses": [f"{lease.address}/{lease.prefix}" for lease in leases],
        "gateways": [lease.gateway for lease in leases if lease.gateway],
        "ports": list(feature.ports),
    }


@hookimpl
def haconiwa_findings(plan: Plan) -> Iterator[Finding]:
    """Say who reaches the container, and what it reaches."""
    from haconiwa_network.findings import findings_of

    yield from findings_of(plan)


@hookimpl
def haconiwa_diagnose() -> Iterator[Diagnosis]:
    """Say whether links and rules can be made, and whether the host forwards."""
    from haconiwa_network.diagnosis import diagnose

    yield from diagnose()


@hookimpl
def haconiwa_isolation(feature: Network | None, confined: Confined) -> Iterator[Row]:
    """Read the addresses, the gateways and the policy back."""
    from haconiwa_network.isolation import rows

    yield from rows(feature, confined)


def _leases(feature: Network) -> Iterator[Step]:
    from haconiwa_network.pools import lease_note, take_address
    from haconiwa_network.problems import gateway_of

    share = feature.parent or feature.bridge
    pools = (
        (feature.subnet, feature.address, feature.gateway),
        (feature.subnet6, feature.address6, feature.gateway6),
    )
    for subnet, address, given in pools:
        if subnet:
            gateway = gateway_of(feature, subnet, given)
            undo = Step(Stage.PREPARE, linux.leave_share, lease_note(subnet), _DIRECTORY)
            yield Step(Stage.PREPARE, take_address, share, subnet, address or "", gateway, _DIRECTORY, undo=undo)


def _connected(feature: Network) -> Step:
    from haconiwa_network.links import NAME, connect_to_bridge, connect_to_parent

    own = (feature.interface, feature.mtu, _TARGET, _DIRECTORY)
    if feature.kind == "bridge":
        undo = Step(Stage.ADOPT, linux.send_own_messages, NAME, _DIRECTORY)
        return Step(Stage.ADOPT, connect_to_bridge, feature.bridge, *own, undo=undo)
    return Step(Stage.ADOPT, connect_to_parent, feature.kind, feature.parent, *own)


def _rules(feature: Network) -> Iterator[Step]:
    if not (feature.ports or feature.masquerade or feature.to is not None):
        return
    from haconiwa_network.rules.ports import hold_port, port_note, published
    from haconiwa_network.rules.steps import NAME, add_rules, join_rules, need_forwarding

    if feature.masquerade:
        for subnet, setting in ((feature.subnet, "ipv4.ip_forward"), (feature.subnet6, "ipv6.conf.all.forwarding")):
            if subnet:
                yield Step(Stage.PREPARE, need_forwarding, setting)
    for number, port in enumerate(map(published, feature.ports)):
        held = (port.address, port.outside, port.protocol, port_note(number), _DIRECTORY)
        undo = Step(Stage.PREPARE, linux.leave_share, port_note(number), _DIRECTORY)
        yield Step(Stage.PREPARE, hold_port, *held, undo=undo)
    yield Step(Stage.PREPARE, join_rules, _DIRECTORY, undo=Step(Stage.PREPARE, linux.leave_share, NAME, _DIRECTORY))
    to = None if feature.to is None else tuple(feature.to)
    undo = Step(Stage.ADOPT, linux.send_own_messages, NAME, _DIRECTORY)
    yield Step(
        Stage.ADOPT, add_rules, feature.bridge, tuple(feature.ports), feature.masquerade, to, _DIRECTORY, undo=undo
    )


def _files(feature: Network, name: str) -> Iterator[Step]:
    from haconiwa_network.files import hosts_file, resolver_file

    if feature.dns is not None:
        yield Step(Stage.PREPARE, resolver_file, tuple(feature.dns), _DIRECTORY, into=_RESOLVER)
        yield Step(Stage.MOUNTS, linux.attach_below_root, _RESOLVER, "/etc/resolv.conf", after=(NewRoot,))
    if feature.hosts is not None:
        yield Step(Stage.PREPARE, hosts_file, name, tuple(feature.hosts), _DIRECTORY, into=_HOSTS)
        yield Step(Stage.MOUNTS, linux.attach_below_root, _HOSTS, "/etc/hosts", after=(NewRoot,))

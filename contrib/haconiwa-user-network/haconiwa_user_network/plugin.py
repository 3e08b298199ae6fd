"""UserNetwork: what forwards is started when there is a network namespace, before the child goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from haconiwa_core import linux
from haconiwa_core.diagnosis import Diagnosis
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.facts import Namespace
from haconiwa_core.feature import Feature
from haconiwa_core.finding import Finding
from haconiwa_core.linux.constants import CLONE_NEWTIME
from haconiwa_core.operation import Slot
from haconiwa_core.planning.context import Planning
from haconiwa_core.planning.plan import Plan
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_user_network import UserNetwork
from haconiwa_user_network.files import contents, mounted
from haconiwa_user_network.helpers import NAME, start_pasta, start_slirp4netns
from haconiwa_user_network.network import INTERFACE, network_of, problems_of, published

if TYPE_CHECKING:
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row

_TARGET, _DIRECTORY = Slot("target"), Slot("directory")
_PASTA_PROTOCOLS = {"tcp": "--tcp-ports", "udp": "--udp-ports"}


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return UserNetwork


@hookimpl
def haconiwa_steps(feature: UserNetwork, planning: Planning) -> Iterator[Step]:
    """Start the helper, and give the container the files by which it finds names."""
    planning.need(Namespace, "net")
    files = {} if list(problems_of(feature)) else contents(feature, planning.container.name)
    problems = [*problems_of(feature), *_problems(feature, planning, bool(files))]
    if problems:
        raise DefinitionError(problems)
    if planning.entry == "attach":
        return
    undo = Step(Stage.ADOPT, linux.end_own_process, NAME, _DIRECTORY)
    if helper_of(feature, planning) == "pasta":
        options = _pasta_options(feature)
        yield Step(Stage.ADOPT, start_pasta, options, _TARGET, _DIRECTORY, undo=undo)
    else:
        forwards = tuple(published(feature))
        options = _slirp4netns_options(feature)
        yield Step(Stage.ADOPT, start_slirp4netns, options, INTERFACE, forwards, _TARGET, _DIRECTORY, undo=undo)
    if files:
        yield from mounted(files)


@hookimpl
def haconiwa_status(feature: UserNetwork) -> Mapping[str, object]:
    """Tell the addresses and the published ports."""
    network = network_of(feature)
    return {
        "address": f"{network.address}/{network.prefix}",
        "gateway": network.gateway,
        "ports": [str(port) for port in published(feature)],
    }


@hookimpl
def haconiwa_findings(plan: Plan) -> Iterator[Finding]:
    """Say what is reached from outside, and what of the host from inside."""
    from haconiwa_user_network.findings import findings_of

    yield from findings_of(plan)


@hookimpl
def haconiwa_diagnose() -> Iterator[Diagnosis]:
    """Say whether there is a program that forwards, and the device for it."""
    from haconiwa_user_network.diagnosis import diagnose

    yield from diagnose()


@hookimpl
def haconiwa_isolation(feature: UserNetwork | None, confined: Confined) -> Iterator[Row]:
    """Read the address and the routes back."""
    from haconiwa_user_network.isolation import rows

    yield from rows(feature, confined)


def helper_of(feature: UserNetwork, planning: Planning) -> str:
    """Return the program that forwards."""
    return feature.helper or ("pasta" if planning.user_namespace else "slirp4netns")


def _problems(feature: UserNetwork, planning: Planning, has_files: bool) -> Iterator[Problem]:
    net = planning.facts.get(Namespace, "net")
    if net and net.joined:
        publisher = planning.facts.publisher(Namespace, "net")
        yield Problem(f"a network that is joined has what it has: {publisher}.join", hint="leave one of them out")
    if helper_of(feature, planning) == "pasta" and not planning.user_namespace:
        text = "pasta gives up the rights that it needs for a network namespace of the host's"
        advice = planning.providers("Namespace user")
        yield Problem(text, key="helper", hint=f'{advice}, or set helper = "slirp4netns"')
    local = [port for port in published(feature) if port.protocol == "udp" and port.address.startswith("127.")]
    if helper_of(feature, planning) == "slirp4netns" and local and not feature.host_loopback:
        # Such a caller is the gateway to the container, and answers to that are dropped.
        text = f"{local[0]}: slirp4netns loses answers by UDP to the host's loopback"
        yield Problem(text, key="ports", hint="publish it on another address, or set host_loopback = true")
    if has_files and not planning.own_mounts:
        text = "files of the container's own need a mount namespace"
        advice = planning.providers("Namespace mnt")
        yield Problem(text, key="dns", hint=f"{advice}, or set dns = [] and leave hosts out")
    if not planning.privileged:
        # Its ids are mapped before its other namespaces exist, and afterwards nobody may look into it.
        early = [item.kind for item in planning.facts.all(Namespace) if item.joined or item.flag == CLONE_NEWTIME]
        for kind in early:
            publisher = planning.facts.publisher(Namespace, kind)
            text = f"cannot be together with {publisher} for an ordinary user: CAP_SYS_ADMIN is needed to do both"
            yield Problem(text, hint=f"leave {publisher} out")


def _pasta_options(feature: UserNetwork) -> tuple[str, ...]:
    network = network_of(feature)
    ports = [
        (_PASTA_PROTOCOLS[port.protocol], f"{port.address}/" * bool(port.address) + f"{port.outside}:{port.inside}")
        for port in published(feature)
    ]
    # By default it publishes whatever is listened on, in both directions.
    none = [(option, "none") for option in _PASTA_PROTOCOLS.values() if option not in dict(ports)]
    closed = (*none, ("--tcp-ns", "none"), ("--udp-ns", "none"))
    return (
        *("--foreground", "--quiet", "--ipv4-only", "--config-net"),
        *("--ns-ifname", INTERFACE, "--mtu", str(feature.mtu)),
        *("--address", network.address, "--netmask", str(network.prefix), "--gateway", network.gateway),
        *("--dns-forward", network.name_server),
        *(() if feature.host_loopback else ("--no-map-gw",)),
        *(word for pair in (*ports, *closed) for word in pair),
    )


def _slirp4netns_options(feature: UserNetwork) -> tuple[str, ...]:
    return (
        *("--configure", "--enable-sandbox", "--enable-seccomp"),
        *(f"--cidr={network_of(feature).subnet}", f"--mtu={feature.mtu}"),
        *(() if feature.host_loopback else ("--disable-host-loopback",)),
    )

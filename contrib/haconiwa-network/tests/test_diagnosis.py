"""What the doctor is told, against what really happens."""

import os
import socket
from functools import partial
from pathlib import Path

from haconiwa_network import Network

from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import CLONE_NEWNET
from haconiwa_core.linux.host import system_call
from haconiwa_core.testing import all_plugins, forked, give_up_capabilities, needs_root

FORWARDING = ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")


def found() -> dict[str, tuple[str, str]]:
    """Return state and remedy of each by its name."""
    return {item.name: (item.state, item.remedy) for item in all_plugins().diagnose(Network.section)}


def _with_forwarding(value: str) -> int:
    system_call(Call.unshare, CLONE_NEWNET)
    expected = {"bridge": ("ok", ""), "nf_tables": ("ok", "")}
    for setting in FORWARDING:
        Path("/proc/sys", setting.replace(".", "/")).write_text(value)
        expected[setting] = ("ok", "") if value == "1" else ("degraded", f"as root: sysctl {setting}=1")
    before = socket.if_nameindex()
    os._exit(0 if found() == expected and socket.if_nameindex() == before else 1)


def _powerless() -> int:
    give_up_capabilities()
    states = found()
    refused = ("missing", "run as root, or use haconiwa-user-network")
    os._exit(0 if states["bridge"] == states["nf_tables"] == refused else 1)


@needs_root
def test_a_host_that_has_all_of_it() -> None:
    for value in ("0", "1"):
        assert forked(partial(_with_forwarding, value)) == 0


@needs_root
def test_a_caller_who_may_not() -> None:
    assert forked(_powerless) == 0

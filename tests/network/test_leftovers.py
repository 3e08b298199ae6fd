"""Nothing is left of a container's network, whoever is killed and however many there were."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path
from types import FrameType

import pytest
from network.test_network import NAMESPACES, SIX, forget, leases, links
from network.test_rules import rules

from haconiwa_core.cli.main import main
from haconiwa_core.testing import forked, needs_program, needs_root

pytestmark = [needs_root, needs_program("ip"), needs_program("nft")]

RULES = (
    *("--set", 'network.ports=["8080:80", "127.0.0.1:5353:53/udp"]', "--set", "network.masquerade=true"),
    *("--set", 'network.to=["10.209.0.0/16:443", "192.0.2.0/24"]'),
)
TRACED = ("links.py", "pools.py", "netlink.py", "shares.py", "rules/steps.py", "rules/ports.py")


@pytest.fixture(autouse=True)
def forwarding(own_network: None) -> None:
    """Let the host forward packets, as masquerade wants it."""
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def left() -> tuple[list[str], list[str], str]:
    """Return the links, the leases and the rules that are there."""
    return links(), leases(), rules()


def _killed_at(point: int, options: tuple[str, ...]) -> None:
    """Run a container in this process, and kill it at a line of what makes and removes its network."""
    passed = 0

    def trace(frame: FrameType, event: str, _argument: object) -> object:
        nonlocal passed
        if not frame.f_code.co_filename.endswith(TRACED):
            return None
        if event == "line":
            passed += 1
            if passed == point:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    status = main(["run", "--name", f"net-{point}", *NAMESPACES, *options, "--", "true"])
    sys.settrace(None)
    os._exit(0 if status == 0 and passed < point else 3)


@pytest.mark.parametrize(("options", "stride"), [(SIX, 11), (RULES, 31)], ids=["plain", "rules"])
def test_whoever_is_killed_leaves_nothing_after_gc(options: tuple[str, ...], stride: int) -> None:
    point, killed = 1, 0
    while True:
        status = forked(partial(_killed_at, point, options))
        forget()
        assert left() == (["lo"], [], ""), f"killed at line {point}"
        if status == 0:
            break
        assert status == -signal.SIGKILL
        killed += 1
        point += stride
    assert killed > 10


def _run(number: int, options: tuple[str, ...]) -> None:
    assert main(["run", "--name", f"net-{number}", *NAMESPACES, *options, "--", "true"]) == 0


@pytest.mark.parametrize("options", [(), RULES], ids=["plain", "rules"])
def test_fifty_leave_nothing(options: tuple[str, ...]) -> None:
    for number in range(50):
        assert forked(partial(_run, number, options)) == 0
    forget()
    assert left() == (["lo"], [], "")

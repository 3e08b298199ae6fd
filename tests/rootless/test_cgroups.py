"""Control groups of an ordinary user: a subtree that is delegated to him, and limits that are in force there.

The virtual machine has controllers in version 2; where they are in version 1, which is never delegated, limits are not
tried.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rootless.conftest import UID, Run, output

FORK = "for i in 1 2 3 4 5 6 7 8; do sleep 600 & done; echo all"
FILL = "python3 -c 'x = bytes([1]) * 60_000_000'"


@pytest.fixture
def limited(subtree: Path) -> Path:
    """The subtree, where controllers can be turned on."""
    if not {"memory", "pids"} <= set((subtree / "cgroup.controllers").read_text().split()):
        pytest.skip("this host has memory and pids in no hierarchy of version 2 that could be delegated")
    return subtree


def test_he_has_a_group_below_his_own(subtree: Path, user: Run) -> None:
    done = user(
        "run", "--rm", "--name", "own", "--set", "cgroup.name=own", "--", "cat", "/proc/self/cgroup", group=subtree
    )
    assert f"::/{subtree.name}/haconiwa/own/first" in output(done)
    assert not (subtree / "haconiwa/own").exists()


def test_a_given_subtree(subtree: Path, user: Run) -> None:
    """Its containers lie beside him, in a group that is made by who manages the host."""
    for name in ("caller", "containers"):
        (subtree / name).mkdir()
        for file in ("", "cgroup.procs", "cgroup.subtree_control"):
            os.chown(subtree / name / file, UID, UID)
    parent = f"/{subtree.name}/containers"
    show = ("--set", "cgroup.name=own", "--", "cat", "/proc/self/cgroup")
    done = user("run", "--rm", "--set", f"cgroup.parent={parent}", *show, group=subtree / "caller")
    assert f"::{parent}/own/first" in output(done)


def test_a_subtree_that_he_is_not_in(subtree: Path, user: Run) -> None:
    done = user("run", "--rm", "--set", f"cgroup.parent=/{subtree.name}", "--", "true")
    assert done.returncode == 125
    assert "the caller must lie below the same group that is its own" in done.stderr
    assert not list(subtree.glob("test*"))


def test_limits_are_in_force(limited: Path, user: Run) -> None:
    """Each control is the same command with a limit that it does not reach."""
    for option, much, little, script in (("pids", "50", "5", FORK), ("memory", "1G", "20M", FILL)):
        enough = user("run", "--rm", "--set", f"cgroup.{option}={much}", "--", "sh", "-c", script, group=limited)
        assert enough.returncode == 0, enough.stderr
        done = user("run", "--rm", "--set", f"cgroup.{option}={little}", "--", "sh", "-c", script, group=limited)
        assert done.returncode != 0, f"{option} is not in force"


def test_they_are_there_for_what_is_attached_and_can_be_changed(limited: Path, user: Run) -> None:
    options = ("--with", "ns-user", "--with", "ns-pid", "--set", "cgroup.pids=20")
    output(user("run", "-d", "--name", "box", *options, "--", "sleep", "1000", group=limited))
    shown = output(user("exec", "box", "--", "cat", "/proc/self/cgroup", group=limited))
    assert f"/{limited.name}/haconiwa/box/attached" in shown
    assert user("update", "box", "--set", "cgroup.pids=10", group=limited).returncode == 0
    assert (limited / "haconiwa/box/pids.max").read_text() == "10\n"
    output(user("rm", "--force", "box", group=limited))
    assert not (limited / "haconiwa/box").exists()

"""The host's side of all these tests lies in a network namespace of the test's own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from system.world import libc

from haconiwa_core.linux.constants import CLONE_NEWNET

BASE = ("lo",)
"""The links of such a namespace."""


@pytest.fixture(autouse=True)
def own_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the test a network namespace, and a state directory, of its own."""
    monkeypatch.setenv("HACONIWA_STATE", str(tmp_path / "state"))
    former = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    libc("unshare", CLONE_NEWNET)
    try:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield
    finally:
        libc("setns", former, CLONE_NEWNET)
        os.close(former)

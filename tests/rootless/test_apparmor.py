"""A profile that root has loaded, under which an ordinary user's command runs: in the virtual machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from rootless.conftest import Run, output

from haconiwa_core.testing import needs_security_module

PROFILE = "haconiwa-probe"
LOADED = Path("/sys/kernel/security/apparmor/profiles")


@needs_security_module("apparmor")
@pytest.mark.parametrize("more", [(), ("--with", "ns-user")])
def test_it_runs_under_the_profile(more: tuple[str, ...], user: Run) -> None:
    if f"{PROFILE} (" not in LOADED.read_text():
        pytest.skip("tests/vm/profile is not loaded")
    options = (*more, "--set", f"apparmor.profile={PROFILE}")
    assert output(user("run", "--rm", *options, "--", "cat", "/proc/self/attr/current")) == f"{PROFILE} (enforce)\n"

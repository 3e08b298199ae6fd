"""What a test needs of the machine: without it the test is skipped, and the summary says why."""

from __future__ import annotations

import os
import shutil

import pytest

from haconiwa_core.host import gather
from haconiwa_core.linux import constants

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def needs_capability(name: str) -> pytest.MarkDecorator:
    """Skip where whoever runs the tests lacks a capability, named as `haconiwa_core.linux.constants` does."""
    missing = not gather().has_capability(getattr(constants, name))
    return pytest.mark.skipif(missing, reason=f"needs {name}")


def needs_namespace(kind: str) -> pytest.MarkDecorator:
    """Skip where the kernel has no namespaces of a kind, a file in /proc/PID/ns."""
    missing = not os.path.exists(f"/proc/self/ns/{kind}")
    return pytest.mark.skipif(missing, reason=f"the kernel has no {kind} namespaces")


def needs_landlock(version: int) -> pytest.MarkDecorator:
    """Skip where the kernel's Landlock interface is older than this version, or off."""
    found = gather().landlock
    return pytest.mark.skipif(found < version, reason=f"needs version {version} of Landlock, the kernel has {found}")


def needs_security_module(name: str) -> pytest.MarkDecorator:
    """Skip where a security module is not active, as far as securityfs tells."""
    return pytest.mark.skipif(name not in gather().lsms, reason=f"the security module {name} is not active here")


def needs_program(name: str) -> pytest.MarkDecorator:
    """Skip where a program is not installed on the host."""
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")

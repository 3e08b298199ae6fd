"""What a test needs of the machine: without it the test is skipped, and the summary says why."""

from __future__ import annotations

import os
import shutil

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def needs_namespace(kind: str) -> pytest.MarkDecorator:
    """Skip where the kernel has no namespaces of a kind, a file in /proc/PID/ns."""
    missing = not os.path.exists(f"/proc/self/ns/{kind}")
    return pytest.mark.skipif(missing, reason=f"the kernel has no {kind} namespaces")


def needs_program(name: str) -> pytest.MarkDecorator:
    """Skip where a program is not installed on the host."""
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")

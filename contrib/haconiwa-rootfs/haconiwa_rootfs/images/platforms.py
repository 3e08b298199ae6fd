"""Platforms, as images name them."""

from __future__ import annotations

import os

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def own_platform() -> str:
    """Return this machine's, as images name it."""
    machine = os.uname().machine
    return f"linux/{_MACHINES.get(machine, machine)}"

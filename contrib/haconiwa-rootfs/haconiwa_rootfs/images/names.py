"""How images and their platforms are called."""

from __future__ import annotations

import os

LOCAL = ("oci", "oci-archive", "docker-archive")
"""Transports of images that are files."""

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def own_platform() -> str:
    """Return this machine's, as images name it."""
    machine = os.uname().machine
    return f"linux/{_MACHINES.get(machine, machine)}"


def split(rest: str) -> tuple[str, str]:
    """Return path and tag: what is before and after the first colon, as skopeo(1) has it."""
    path, _, tag = rest.partition(":")
    return path, tag

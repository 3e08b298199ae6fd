"""Facts about the host that planning depends on: gathered once, read-only, printable."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from haconiwa_core.errors import HaconiwaError


@dataclass(frozen=True)
class HostFacts:
    """What a plan may know of the machine that it is for.

    Args:
        kernel: release, as in uname(2).
        machine: architecture, as in uname(2).
        uid, gid: of the user who starts containers.
        capabilities: the starter's effective set, as a bit mask.
        last_capability: the highest that the kernel knows.
        namespaces: kinds that the kernel has, the files of /proc/self/ns.
        users, groups: names and their ids, from the host's /etc/passwd and /etc/group.
    """

    kernel: str
    machine: str
    uid: int
    gid: int
    capabilities: int
    last_capability: int
    namespaces: tuple[str, ...]
    users: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)

    def has_capability(self, number: int) -> bool:
        """Return whether the starter has a capability, by its CAP_* number."""
        return bool(self.capabilities >> number & 1)

    def to_json(self) -> dict[str, Any]:
        """Return the facts as data that json can write and `from_json` can read."""
        return asdict(self)

    @staticmethod
    def from_json(text: str, name: str) -> HostFacts:
        """Return facts that `to_json` has written.

        Args:
            text: a JSON document.
            name: of the file, for messages.

        Raises:
            HaconiwaError: the document is not such facts.
        """
        try:
            data = json.loads(text)
            return HostFacts(**{**data, "namespaces": tuple(data["namespaces"])})
        except (ValueError, TypeError, KeyError) as error:
            raise HaconiwaError(
                f"{name}: not the facts of a host ({error}); write them with `haconiwa plan --show-host`"
            ) from error


def gather() -> HostFacts:
    """Return the facts of the running host (proc(5), uname(2))."""
    name = os.uname()
    return HostFacts(
        kernel=name.release,
        machine=name.machine,
        uid=os.geteuid(),
        gid=os.getegid(),
        capabilities=_effective_capabilities(),
        last_capability=int(Path("/proc/sys/kernel/cap_last_cap").read_text()),
        namespaces=tuple(sorted(kind for kind in os.listdir("/proc/self/ns") if "_for_" not in kind)),
        users=names_to_ids(Path("/etc/passwd").read_bytes()),
        groups=names_to_ids(Path("/etc/group").read_bytes()),
    )


def names_to_ids(database: bytes) -> dict[str, int]:
    """Return the names and ids of a file like passwd(5) or group(5); malformed lines are left out."""
    ids: dict[str, int] = {}
    for line in database.decode(errors="surrogateescape").splitlines():
        parts = line.split(":")
        if len(parts) > 2 and parts[2].isascii() and parts[2].isdigit():
            ids.setdefault(parts[0], int(parts[2]))
    return ids


def _effective_capabilities() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    raise HaconiwaError("/proc/self/status has no CapEff line; is /proc mounted?")

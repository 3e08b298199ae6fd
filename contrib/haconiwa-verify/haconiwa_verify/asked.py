"""What a plan promises, and by which rows of the isolation matrix."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from haconiwa_audit.filters import Asked as Call
from haconiwa_audit.view import View

from haconiwa_core import linux
from haconiwa_core.facts import CapabilitySets, FreshFilesystem
from haconiwa_core.isolation.kernel import namespace_title
from haconiwa_core.linux.constants import CAP_SETUID, RLIM_INFINITY
from haconiwa_core.planning.plan import Plan

CAPABILITIES = "effective capabilities"
DEVICES = "cgroup devices"
FILTER = "seccomp filters"
KEYRING = "session keyring"
LANDLOCK_FILES = "landlock files"
LANDLOCK_PORTS = "landlock ports"
LANDLOCK_SCOPE = "landlock scope"
NO_NEW_PRIVILEGES = "no new privileges"
OPEN_FILES = "rlimit nofile"
READ_ONLY_PATHS = "read-only paths"
ROOT = "root directory"
TERMINAL = "caller's terminal"
USER = "user"
USER_MAP = "user map"
"""Rows, by their keys. Those of keyring and terminal are verify's own: nothing but an attempt tells."""

_RLIMIT_NOFILE = 7
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class Asked:
    """What a container was asked to be, looked at by who tries to break it.

    Attributes:
        plan: of its start.
        view: the same, as the audit looks at it.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.view = View(plan)

    def own(self, kind: str) -> list[str]:
        """Return the row of a namespace that is not the host's; nothing if it is.

        Args:
            kind: the file in /proc/PID/ns.
        """
        return [namespace_title(kind)] if self.view.has_own(kind) else []

    @property
    def own_root(self) -> list[str]:
        """The row of a root that is not the host's."""
        return [ROOT] if self.view.has_own_root else []

    @property
    def own_processes(self) -> list[str]:
        """The row of a pid namespace, if /proc tells of its processes alone."""
        fresh = any(item.kind == "proc" for item in self.plan.facts.all(FreshFilesystem))
        return self.own("pid") if fresh else []

    @property
    def other_user(self) -> list[str]:
        """The row that keeps the command from being the host's user 0."""
        if self.view.is_root_of_host:
            return []
        if self.view.has_own("user"):
            return [USER_MAP]
        return [] if self.view.has(CAP_SETUID) else [USER]

    def without(self, capability: int, *calls: Call, over_host: bool = True) -> list[str]:
        """Return the rows that deny what needs a capability.

        Args:
            capability: its CAP_* number.
            calls: by any of which it is done.
            over_host: it is needed over the host; else over the container's own namespaces.
        """
        found = self.filtered(*calls)
        if over_host:
            found += self.own("user")
        if not self.view.has(capability):
            found.append(CAPABILITIES if self.plan.facts.get(CapabilitySets) else USER)
        return found

    def filtered(self, *calls: Call, arguments: tuple[int, ...] = ()) -> list[str]:
        """Return the row of the filter of system calls, if that denies all of these."""
        return [] if any(self.view.lets(call, *arguments) for call in calls) else [FILTER]

    def protected(self, path: str) -> list[str]:
        """Return the row of the paths that nobody can write to, if one of them is among them."""
        # The function is the plugin's own.
        paths = [step.arguments[0] for step in self._steps() if step.function.__name__ == "make_path_read_only"]
        return [READ_ONLY_PATHS] if any(_is_below(path, str(each)) for each in paths) else []

    def limit(self, option: str) -> int | None:
        """Return a limit of the container's control group, in bytes or processes; None without one."""
        value = getattr(self.plan.container.feature("cgroup"), option, None)
        if value in (None, "max"):
            return None
        return value if isinstance(value, int) else int(value.rstrip("KMGT")) * _UNITS.get(value[-1], 1)

    @property
    def is_ended_as_a_whole(self) -> bool:
        """Whether the kernel ends all of the container's processes where memory runs out (memory.oom.group)."""
        raw = getattr(self.plan.container.feature("cgroup"), "raw", None) or {}
        return str(raw.get("memory.oom.group", "0")) != "0"

    @property
    def open_files(self) -> int | None:
        """One more than the highest descriptor that a process may have; None without a limit."""
        for step in self._steps():
            if step.function is linux.set_limit and step.arguments[0] == _RLIMIT_NOFILE:
                hard = step.arguments[2]
                return hard if isinstance(hard, int) and hard != RLIM_INFINITY else None
        return None

    def unlisted_device(self, path: str, major: int, minor: int) -> list[str]:
        """Return the row of the only devices that may be used, if a character device is not among them."""
        rules = getattr(self.plan.container.feature("cgroup"), "devices", None)
        if rules is None:
            return []
        names = {path, *(f"c {first}:{second}" for first in (major, "*") for second in (minor, "*"))}
        listed = {" ".join(rule.split(" ")[: 1 if rule.startswith("/") else 2]) for rule in rules}
        return [] if names & listed else [DEVICES]

    def closed_path(self, path: str, access: str, *options: str) -> list[str]:
        """Return the row of Landlock, if that denies access to a path.

        Args:
            path: absolute, inside.
            access: the right.
            options: list paths to which it is granted.
        """
        section: Any = self.plan.container.feature("landlock")
        every = ("read", "write", "execute", "rules")
        if section is None or access in section.unrestricted or all(getattr(section, name) is None for name in every):
            return []
        granted = [rule.path for rule in section.rules or () if access in rule.access]
        granted += (each for option in options for each in getattr(section, option) or ())
        return [] if any(_is_below(path, each) for each in granted) else [LANDLOCK_FILES]

    def closed_port(self, port: int) -> list[str]:
        """Return the row of Landlock, if that denies connections to a port."""
        section: Any = self.plan.container.feature("landlock")
        listed = None if section is None else section.connect_tcp
        return [] if listed is None or port in listed else [LANDLOCK_PORTS]

    def closed_scope(self, scope: str) -> list[str]:
        """Return the row of Landlock, if in some way nothing outside is reached."""
        section: Any = self.plan.container.feature("landlock")
        return [LANDLOCK_SCOPE] if section is not None and scope in section.scope else []

    def has_host_name(self, name: str) -> bool:
        """Return whether the container is to have a name that is the host's, too."""
        return any(step.function is linux.set_host_name and step.arguments == (name,) for step in self._steps())

    def _steps(self) -> Iterator[Any]:
        return (planned.step for planned in self.plan.steps)


def joined(*rows: Iterable[str]) -> tuple[str, ...]:
    """Return rows, each once."""
    return tuple(dict.fromkeys(row for part in rows for row in part))


def _is_below(path: str, folder: str) -> bool:
    return os.path.commonpath((path, folder)) == os.path.normpath(folder)

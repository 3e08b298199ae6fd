"""Facts about the host that planning depends on: gathered once, read-only, printable."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from haconiwa_core.errors import DefinitionError, HaconiwaError, Problem
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import LANDLOCK_CREATE_RULESET_VERSION
from haconiwa_core.linux.host import resource_limits, system_call

_CGROUP_FILESYSTEM = re.compile("cgroup2?")


class CgroupTree(NamedTuple):
    """A mounted hierarchy of control groups (cgroups(7)).

    Args:
        mount: where, an absolute path.
        version: 1 or 2.
        controllers: those that can be used there.
        own: the group of the process that starts containers, a path below the mount.
        delegated: that group was given to it to divide further, by whoever manages the host.
    """

    mount: str
    version: int
    controllers: tuple[str, ...]
    own: str
    delegated: bool


class HostFacts(NamedTuple):
    """What a plan may know of the machine that it is for.

    Args:
        kernel: release, as in uname(2).
        machine: architecture, as in uname(2).
        uid, gid: of the user who starts containers.
        capabilities: the starter's effective set, as a bit mask.
        last_capability: the highest that the kernel knows.
        namespaces: kinds that the kernel has, the files of /proc/self/ns.
        users: names with uid and primary gid, from the host's /etc/passwd.
        groups: names with gid, from the host's /etc/group.
        cgroups: mounted hierarchies of control groups, the one of version 2 first.
        seccomp_actions: what a filter may answer, as the kernel names it (seccomp(2)).
        landlock: version of the kernel's Landlock interface; 0 without it (landlock(7)).
        lsms: active security modules, in their order; empty where securityfs is not mounted.
        limits: soft and hard resource limits of the starter, by the resource's number (getrlimit(2)); -1 is none.
            Empty where they are not known, which is taken for none.
    """

    kernel: str
    machine: str
    uid: int
    gid: int
    capabilities: int
    last_capability: int
    namespaces: tuple[str, ...]
    users: Mapping[str, tuple[int, int]]
    groups: Mapping[str, int]
    cgroups: tuple[CgroupTree, ...]
    seccomp_actions: tuple[str, ...]
    landlock: int
    lsms: tuple[str, ...]
    limits: tuple[tuple[int, int], ...] = ()

    def has_capability(self, number: int) -> bool:
        """Return whether the starter has a capability, by its CAP_* number."""
        return bool(self.capabilities >> number & 1)

    def to_json(self) -> dict[str, Any]:
        """Return the facts as data that json can write and `from_json` can read."""
        return {**self._asdict(), "cgroups": [tree._asdict() for tree in self.cgroups]}

    @staticmethod
    def from_json(text: str, name: str) -> HostFacts:
        """Return facts that `to_json` has written.

        Args:
            text: a JSON document.
            name: of the file, for messages.

        Raises:
            DefinitionError: the document is not such facts.
        """
        try:
            data = json.loads(text)
            users = {name: (int(uid), int(gid)) for name, (uid, gid) in data["users"].items()}
            cgroups = tuple(
                CgroupTree(**{**tree, "controllers": tuple(tree["controllers"])}) for tree in data["cgroups"]
            )
            texts = {key: tuple(data[key]) for key in ("namespaces", "seccomp_actions", "lsms")}
            limits = tuple((int(soft), int(hard)) for soft, hard in data.get("limits", ()))
            return HostFacts(**{**data, **texts, "users": users, "cgroups": cgroups, "limits": limits})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            text = f"not the facts of a host ({error})"
            hint = "write them with `haconiwa plan --show-host`"
            raise DefinitionError([Problem(text, file=name, hint=hint)]) from error


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
        users=users_by_name(Path("/etc/passwd").read_bytes()),
        groups=groups_by_name(Path("/etc/group").read_bytes()),
        cgroups=tuple(sorted(_cgroup_trees(), key=lambda tree: -tree.version)),
        seccomp_actions=tuple(_read_if_there("/proc/sys/kernel/seccomp/actions_avail").split()),
        landlock=_landlock_version(),
        lsms=tuple(filter(None, _read_if_there("/sys/kernel/security/lsm").strip().split(","))),
        limits=resource_limits(Path("/proc/self/limits").read_text()),
    )


def users_by_name(database: bytes) -> dict[str, tuple[int, int]]:
    """Return the users of a file like passwd(5): name, uid, gid; malformed lines are left out."""
    return {name: (int(uid), int(gid)) for name, (uid, gid) in _entries(database, 2)}


def groups_by_name(database: bytes) -> dict[str, int]:
    """Return the groups of a file like group(5): name, gid; malformed lines are left out."""
    return {name: int(gid) for name, (gid,) in _entries(database, 1)}


def _entries(database: bytes, numbers: int) -> Iterator[tuple[str, list[str]]]:
    """Yield each name with the numbers that follow its password; the first line of a name counts."""
    seen: set[str] = set()
    for line in database.decode(errors="surrogateescape").splitlines():
        name, *rest = line.split(":")
        ids = rest[1 : 1 + numbers]
        if name not in seen and len(ids) == numbers and all(text.isascii() and text.isdigit() for text in ids):
            seen.add(name)
            yield name, ids


def _effective_capabilities() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    raise HaconiwaError("/proc/self/status has no CapEff line; is /proc mounted?")


def _read_if_there(path: str) -> str:
    try:
        return Path(path).read_text()
    except FileNotFoundError:
        return ""


def _landlock_version() -> int:
    try:
        return system_call(Call.landlock_create_ruleset, 0, 0, LANDLOCK_CREATE_RULESET_VERSION)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        return 0


def _cgroup_trees() -> Iterator[CgroupTree]:
    """Yield the hierarchies that are mounted here, once each (proc_pid_mountinfo(5), proc_pid_cgroup(5))."""
    own: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        own[names] = path
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ")[:3]
        if not _CGROUP_FILESYSTEM.fullmatch(kind):
            continue
        root, mount = before.split(" ")[3:5]
        if kind == "cgroup2":
            names, version = "", 2
            controllers = Path(mount, "cgroup.controllers").read_text().split()
        else:
            names = next((item for item in own if item and set(item.split(",")) <= set(options.split(","))), "")
            version, controllers = 1, names.split(",")
        if names not in own:
            continue
        path = own.pop(names)
        # What is mounted may be a group below the hierarchy's root; seen from there this process is elsewhere.
        inside = path.removeprefix(root) if root != "/" else path
        yield CgroupTree(mount, version, tuple(controllers), inside or "/", _is_delegated(mount + inside))


def _is_delegated(folder: str) -> bool:
    for name in ("trusted.delegate", "user.delegate"):
        with suppress(OSError):
            return os.getxattr(folder, name) == b"1"
    return False

"""What the fake kernel knows of the one process that runs, and how calls read and write its memory."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from haconiwa_core.linux.constants import CAP_SYS_ADMIN
from haconiwa_core.testing.fake.files import Description, Files, Mount, Node, Place, described, refuse

HOST_FILES: dict[str, Description] = {
    "bin": {"sh": None, "true": None},
    "dev": dict.fromkeys(("full", "null", "ptmx", "random", "tty", "urandom", "zero")),
    "etc": {"passwd": None},
    "proc": {
        "self": {"timens_offsets": None},
        "sys": {"net": {"ipv4": {"ip_forward": None}}},
        "thread-self": {"attr": {"apparmor": {"exec": None}}},
    },
    "srv": {"web": {"bin": {"true": None}, "dev": {}, "etc": {}, "proc": {}, "sys": {}, "tmp": {}}},
    "tmp": {},
}
"""What "/" holds where a test does not say; what lies in /proc lies on procfs."""

HOST = "host"

LAST_CAPABILITY = 40
EVERY_CAPABILITY = (2 << LAST_CAPABILITY) - 1


def host_files_with(folder: Path) -> Description:
    """Return HOST_FILES with a folder of the real host in its place among them."""
    files: dict[str, Any] = dict(HOST_FILES)
    inner = files
    for part in folder.parts[1:-1]:
        inner[part] = dict(inner.get(part, {}))
        inner = inner[part]
    inner[folder.name] = described(folder)
    return files


@dataclass(eq=False)
class Descriptor:
    """An open file: a place in the tree, a namespace, or something without a path.

    Args:
        kind: "path" (O_PATH), "file", "tree", "socket", "namespace KIND", or a file system's type while it is made.
        place: where in the tree, if anywhere.
        owner: the user namespace that owns what a namespace's descriptor stands for.
        close_on_exec: as fcntl(2) has it.
        lower: what a file system that is made merges, the topmost first.
    """

    kind: str
    place: Place | None = None
    owner: str = HOST
    close_on_exec: bool = True
    lower: list[Node] = field(default_factory=list)


class State:
    """One process and what it sees.

    Args:
        files: what "/" holds.
        uid: of the process; only 0 has capabilities, and has all.
        gate: called whenever the process waits for its host; False is end of file.
    """

    def __init__(self, files: Description = HOST_FILES, uid: int = 0, gate: Callable[[], bool] = lambda: True) -> None:
        top = Mount(Node.of(files), attached=True)
        self.root = self.cwd = Place(top, top.root)
        self.files = Files(self.root)
        if proc := self.root.directory().get("proc"):
            self.files.attach(Mount(proc, "proc"), Place(top, proc, self.root, "proc"))
        self.gate = gate
        self.descriptors: dict[int, Descriptor] = {}
        self.uid = self.gid = uid
        self.groups: tuple[int, ...] = ()
        self.bounding = EVERY_CAPABILITY
        self.permitted = self.effective = 0 if uid else EVERY_CAPABILITY
        self.inheritable = self.ambient = self.secure_bits = 0
        self.no_new_privileges = False
        self.may_set_groups = self.ids_mapped = True
        self.namespaces: dict[str, str] = {"user": HOST}
        """Kinds that are not the host's, with the user namespace that owns each."""
        self.names = {1: "host", 5: "(none)"}
        """Host name and domain name, by their place in struct utsname."""
        self.limits: dict[int, tuple[int, int]] = {}
        self.mask = 0o022
        self.leads_session = False
        self.links_up: set[str] = set()
        self.written: dict[str, str] = {}
        """What was written to files, by path."""
        self.time = 0
        """Seconds of every clock, which go on whenever one is looked at."""
        self.reports: list[int] = []
        """The stages that were reported."""
        self.results: list[int] = []
        """What each call returned so far, the host's first; execve(2), which does not return, is not among them."""
        self.failures: dict[int, int] = {}
        """The errno of each call that is made to fail, by its number."""

    def open(self, kind: str, place: Place | None = None, owner: str = HOST) -> int:
        """Add a descriptor, as the host's side does before the child runs."""
        number = next(number for number in range(3, 1 << 16) if number not in self.descriptors)
        self.descriptors[number] = Descriptor(kind, place, owner)
        return number

    def map_ids(self, deny_setgroups: bool) -> None:
        """Let ids of the new user namespace mean something; only a process outside may."""
        self.ids_mapped = True
        self.may_set_groups = not deny_setgroups

    def path_of(self, place: Place) -> str:
        """Return a place's path as the process sees it."""
        return self.files.path_of(place, self.root)

    @property
    def capable(self) -> bool:
        """Whether the process may act on the namespaces of its user namespace (CAP_SYS_ADMIN)."""
        return self.has(CAP_SYS_ADMIN)

    def has(self, capability: int) -> bool:
        """Return whether a capability is in the effective set, by its CAP_* number."""
        return bool(self.effective >> capability & 1)

    def enter_user_namespace(self, owner: str) -> None:
        """Have all capabilities, in a user namespace that is new ("new") or joined."""
        self.namespaces["user"] = owner
        self.bounding = self.permitted = self.effective = EVERY_CAPABILITY
        self.inheritable = self.ambient = self.secure_bits = 0

    def need_rights(self, kind: str = "user") -> None:
        """Demand capabilities in the user namespace that owns the process's namespace of a kind."""
        owner = self.namespaces.get(kind, HOST) if kind != "user" else self.namespaces["user"]
        if not self.capable or self.namespaces["user"] not in (HOST, owner):
            refuse(errno.EPERM)

    def descriptor(self, number: int) -> Descriptor:
        """Return an open descriptor, or refuse with EBADF."""
        return self.descriptors.get(number) or refuse(errno.EBADF)


def string_at(address: int) -> str:
    """Read a string of the process."""
    return os.fsdecode(ctypes.string_at(address))


def strings_at(address: int) -> tuple[str, ...]:
    """Read an array of strings that ends with a null pointer."""
    pointers: list[int] = []
    while pointer := ctypes.c_uint64.from_address(address + 8 * len(pointers)).value:
        pointers.append(pointer)
    return tuple(map(string_at, pointers))


def write_at(address: int, content: bytes) -> None:
    """Write into the process's memory; a null pointer wants nothing."""
    if address:
        ctypes.memmove(address, content, len(content))

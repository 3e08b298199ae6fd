"""The files, ports and processes that Landlock leaves within the container's reach (landlock(7))."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.options import AbsolutePath, Range
from haconiwa_core.stages import Stage

Access = Literal[
    "execute",
    "write_file",
    "read_file",
    "read_dir",
    "remove_dir",
    "remove_file",
    "make_char",
    "make_dir",
    "make_reg",
    "make_sock",
    "make_fifo",
    "make_block",
    "make_sym",
    "refer",
    "truncate",
    "ioctl_dev",
]
"""LANDLOCK_ACCESS_FS_* of landlock(7), in lower case."""

Scope = Literal["abstract_unix_socket", "signal"]
"""LANDLOCK_SCOPE_* of landlock(7), in lower case."""

Port = Annotated[int, Range(0, 65535)]


@dataclass(frozen=True)
class Rule:
    """Access to a file, or to a directory and all that is below it.

    Args:
        path: inside the container; symbolic links are followed.
        access: what is allowed; on a file, that part of it which a file can have.
    """

    path: AbsolutePath
    access: Sequence[Access]

    def __post_init__(self) -> None:
        if isinstance(self.access, list):
            object.__setattr__(self, "access", tuple(self.access))


Paths = Sequence[AbsolutePath] | None
Ports = Sequence[Port] | None


@dataclass(frozen=True, kw_only=True)
class Landlock(Feature):
    """The command and its descendants reach only what is listed, whoever they are.

    Access to files is restricted as soon as one of `read`, `write`, `execute` and `rules` is given,
    be it empty: then everything is denied but what they allow. Ports are restricted by
    `bind_tcp` and `connect_tcp`, each for itself.

    Example: `Landlock(read=["/"], execute=["/usr"], write=["/tmp"], connect_tcp=[443])`.
    """

    section: ClassVar[str] = "landlock"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.CONFINE,)
    rootless: ClassVar[Rootless] = Rootless("yes", "with no_new_privs, or in a user namespace")

    read: Paths = option(None, "paths below which files can be read and directories listed")
    write: Paths = option(None, "paths below which files can be written, made, moved and removed; no devices")
    execute: Paths = option(None, "paths below which files can be executed, for which they are read")
    rules: Sequence[Rule] | None = option(None, "single rights on paths, such as `ioctl_dev`")
    unrestricted: Sequence[Access] = option((), "rights that stay allowed everywhere")
    bind_tcp: Ports = option(None, "TCP ports to which a socket can be bound; without it any, if empty none")
    connect_tcp: Ports = option(None, "TCP ports to which a socket can connect; without it any, if empty none")
    scope: Sequence[Scope] = option((), "what reaches no process outside: `signal`, `abstract_unix_socket`")

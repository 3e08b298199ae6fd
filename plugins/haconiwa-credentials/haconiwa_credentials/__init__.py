"""The user and groups that the command runs as, and its umask (credentials(7), umask(2))."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.linux.constants import Mode
from haconiwa_core.options import Pattern, Range
from haconiwa_core.stages import Stage

Id = Annotated[int, Range(0, 2**32 - 2)]
Name = Annotated[str, Pattern(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?", "a user or group name")]


@dataclass(frozen=True, kw_only=True)
class Credentials(Feature):
    """The command runs as this user, with these groups only.

    Names are looked up while planning, so that nothing of the container is asked with rights.

    Example: `Credentials(uid="www-data", groups=["ssl-cert"])`, `Credentials(uid=1000, gid=1000)`.
    """

    section: ClassVar[str] = "credentials"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.LIMITS, Stage.CREDENTIALS)
    rootless: ClassVar[Rootless] = Rootless(
        "partly",
        "without a user namespace only the umask; in one the ids that it maps, and groups where it has ranges of them",
    )

    uid: Id | Name | None = option(None, "user, by number or name; without it root, or a caller who may be no other")
    gid: Id | Name | None = option(None, "group; without it a named user's own, else the user's number")
    groups: Sequence[Id | Name] = option((), "supplementary groups, by number or name")
    umask: Annotated[int, Range(0, 0o777)] = option(Mode(0o022), "file mode creation mask")
    lookup: Literal["host", "root"] = option(
        "host", "whose users and groups names mean: the host's, or the root's files"
    )

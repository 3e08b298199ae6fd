"""A session keyring of the container's own, with the keys that are chosen for it (keyrings(7))."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass
from typing import Annotated, ClassVar

from haconiwa_core import Feature, Rootless, Stage, option
from haconiwa_core.options import HostPath, Pattern

Name = Annotated[
    str, Pattern(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}", "1 to 200 letters, digits, _, :, - and dots, no dot first")
]


@dataclass(frozen=True)
class Key:
    """A key of type "user".

    Args:
        description: by which programs look for it.
        file: of the host, whose bytes are the payload, 1 to 32767 of them; a relative path starts at the
            definition's folder.
    """

    description: Name
    file: HostPath


@dataclass(frozen=True, kw_only=True)
class Keyring(Feature):
    """The container has a session keyring with a name, and chosen keys in it.

    Example: `Keyring(name="web", keys=[Key("db:password", "/etc/web/password")])`.
    """

    section: ClassVar[str] = "keyring"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.PREPARE, Stage.SESSION)
    rootless: ClassVar[Rootless] = Rootless("yes")

    name: Name = option(MISSING, "the keyring's description")
    keys: Sequence[Key] = option((), "the keys in it")
    read_only: bool = option(False, "nobody may change the keyring or its keys")

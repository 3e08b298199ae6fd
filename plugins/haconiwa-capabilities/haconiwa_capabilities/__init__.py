"""What the container's processes may do beyond what any process may (capabilities(7))."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.stages import Stage

SecureBits = Literal[
    "noroot",
    "noroot_locked",
    "no_setuid_fixup",
    "no_setuid_fixup_locked",
    "keep_caps",
    "keep_caps_locked",
    "no_cap_ambient_raise",
    "no_cap_ambient_raise_locked",
]


@dataclass(frozen=True, kw_only=True)
class Capabilities(Feature):
    """The capabilities that the container's processes have, and can have at most.

    Without options they are the default set: what user 0 needs within a container. `keep`, `all` and
    `reset` each start from another set; `add` and `drop` change the one that is started from. Names are
    those of capabilities(7), in any case, with or without "CAP_".

    Example: `Capabilities(drop=["mknod", "net_raw"])`, `Capabilities(keep=["net_bind_service"])`.
    """

    section: ClassVar[str] = "capabilities"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.BOUNDING, Stage.CAPABILITIES)
    rootless: ClassVar[Rootless] = Rootless("yes", "in a user namespace, and over what belongs to it")

    keep: Sequence[str] | None = option(None, "exactly these, instead of the default set")
    all: bool = option(False, "start from all that the caller has, or the user namespace gives")
    reset: bool = option(False, "start from none")
    add: Sequence[str] = option((), "beside the set that it starts from")
    drop: Sequence[str] = option((), "out of the set that it starts from")
    ambient: Sequence[str] = option((), "those that a user other than 0 has as well")
    inheritable: Sequence[str] = option(
        (), "those that a file may give to whoever executes it; ambient ones always are"
    )
    securebits: Sequence[SecureBits] = option((), "flags that change what user 0 and set-user-ID mean")

    def changed(self, *, add: Sequence[str] = (), drop: Sequence[str] = ()) -> Capabilities:
        """Return the section with capabilities dropped from all of its sets, and others added.

        Args:
            add: names; they come after what is dropped.
            drop: names; "all" leaves none.

        Raises:
            DefinitionError: a name means no capability.
        """
        from haconiwa_capabilities.sets import changed

        return changed(self, add, drop)

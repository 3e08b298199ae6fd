"""Kernel parameters of the container's own namespaces (sysctl(8), proc_sys(5))."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from types import MappingProxyType
from typing import Annotated, ClassVar

from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.options import Pattern, Range
from haconiwa_core.stages import Stage

Name = Annotated[
    str, Pattern(r"(?=.{1,200}\Z)[A-Za-z0-9_-]+([./][A-Za-z0-9_-]+)+", 'a name such as "net.ipv4.ip_forward"')
]
Number = Annotated[int, Range(-(2**31), 2**64 - 1)]
Text = Annotated[
    str, Pattern(r"(?=.{1,1000}\Z)[!-~]+([ \t]+[!-~]+)*", "one line of ASCII words, at most 1000 characters")
]


@dataclass(frozen=True)
class Sysctl(Feature):
    """Kernel parameters that belong to a namespace which the container has apart from the host.

    Names are written with dots or, as paths below /proc/sys, with slashes; the separator that comes
    first decides, and the other one is then part of a name: `net.ipv4.conf.eth0/1.forwarding` and
    `net/ipv4/conf/eth0.1/forwarding` are the same.

    Example: `Sysctl({"net.ipv4.ip_forward": 1, "kernel.sem": "250 32000 32 128"})`.
    """

    section: ClassVar[str] = "sysctl"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.PREPARE, Stage.IDENTITY)
    rootless: ClassVar[Rootless] = Rootless(
        "yes",
        "in a user namespace that owns the namespaces whose parameters they are; those of IPC since Linux 5.19",
    )

    values: Mapping[Name, Number | Text] = option(MISSING, "names and values, set in this order")

    def __post_init__(self) -> None:
        super().__post_init__()
        # A dict would be shared by all copies, and could change under them.
        if isinstance(self.values, Mapping):
            object.__setattr__(self, "values", MappingProxyType(dict(self.values)))

    def __hash__(self) -> int:
        return hash(frozenset(self.values.items()))

    def __reduce__(self) -> tuple[type[Sysctl], tuple[dict[str, int | str]]]:
        return type(self), (dict(self.values),)

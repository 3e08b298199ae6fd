"""A UTS namespace: host name and NIS domain name (uts_namespaces(7))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from haconiwa_core.feature import option
from haconiwa_core.linux.constants import CLONE_NEWUTS
from haconiwa_core.namespace import NamespaceFeature
from haconiwa_core.options import Pattern
from haconiwa_core.stages import Stage

Name = Annotated[str, Pattern(r"[!-~]{1,64}", "1 to 64 printable ASCII characters without spaces")]


@dataclass(frozen=True, kw_only=True)
class UtsNamespace(NamespaceFeature):
    """The container has a host name and a domain name of its own."""

    section: ClassVar[str] = "ns-uts"
    kind: ClassVar[str] = "uts"
    flag: ClassVar[int] = CLONE_NEWUTS
    stages: ClassVar[tuple[Stage, ...]] = (*NamespaceFeature.stages, Stage.IDENTITY)

    hostname: Name | None = option(None, "host name; the container's name, cut to 64 characters, without it")
    domainname: Name | None = option(None, "NIS domain name; the host's without it")

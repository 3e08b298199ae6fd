"""A time namespace: offsets of the boot and the monotonic clock (time_namespaces(7))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from haconiwa_core.feature import option
from haconiwa_core.linux.constants import CLONE_NEWTIME
from haconiwa_core.namespace import NamespaceFeature
from haconiwa_core.options import Range

Seconds = Annotated[int, Range(-(2**62), 2**62)]


@dataclass(frozen=True, kw_only=True)
class TimeNamespace(NamespaceFeature):
    """The container's boot and monotonic clocks are shifted; the real-time clock stays the host's."""

    section: ClassVar[str] = "ns-time"
    kind: ClassVar[str] = "time"
    flag: ClassVar[int] = CLONE_NEWTIME

    boottime: Seconds = option(0, "seconds added to CLOCK_BOOTTIME; the result must not be negative")
    monotonic: Seconds = option(0, "seconds added to CLOCK_MONOTONIC; the result must not be negative")

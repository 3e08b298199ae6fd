"""Control groups: what all of a container may use, and what it has used (cgroups(7))."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from haconiwa_cgroup.sizes import LARGEST, SizePattern
from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.options import Pattern, Range
from haconiwa_core.stages import Stage

Unlimited = Literal["max"]
Number = Annotated[int, Range(0, LARGEST)]
Size = Number | Annotated[str, SizePattern(r"[0-9]{1,19}[KMGT]?|max", 'a size, such as "256M", or "max"')]
"""Bytes: a number, or a text with K, M, G or T for powers of 1024; "max" is no limit."""

Count = Number | Unlimited
Processors = Annotated[str, Pattern(r"\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*", 'a list of numbers, such as "0-3,6"')]
_PATH = r"(/(?!\.{1,2}(/|\Z))[^/\0\n]+)+"
GroupPath = Annotated[str, Pattern(_PATH, 'a group of the host, such as "/batch"')]
GroupName = Annotated[str, Pattern(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", "a name of letters, digits, and _.- within")]
Assignment = Annotated[
    str, Pattern(rf"([a-z0-9_]+(,[a-z0-9_]+)*:)?{_PATH}", '"/batch", or "memory,pids:/batch" of version 1')
]
File = Annotated[str, Pattern(r"[a-z0-9_]+(\.[A-Za-z0-9_]+)+", 'a file of a group, such as "memory.oom.group"')]
Line = Annotated[str, Pattern(r"[^\0\n]+", "a line of text")]
Device = Annotated[str, Pattern(r"\d{1,7}:\d{1,7}|/[^\0\n ]+", 'a block device, such as "/dev/sda" or "8:0"')]
HugePage = Annotated[str, Pattern(r"[1-9][0-9]{0,8}[KMG]B", 'a size of huge pages, such as "2MB"')]
DeviceRule = Annotated[
    str,
    Pattern(
        r"default|[cb] (\d{1,7}|\*):(\d{1,7}|\*)( [rwm]{1,3})?|/[^\0\n ]+( [rwm]{1,3})?",
        '"default", "c 1:3 rwm" or "/dev/fuse rw"',
    ),
]


@dataclass(frozen=True, kw_only=True)
class Io:
    """Limits of reading from and writing to one block device.

    Args:
        rbps, wbps: bytes per second.
        riops, wiops: operations per second.
    """

    rbps: Size = "max"
    wbps: Size = "max"
    riops: Count = "max"
    wiops: Count = "max"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a group of processes may use; None sets nothing."""

    memory: Size | None = option(None, 'memory, in bytes or as "256M"; who needs more is killed')
    memory_high: Size | None = option(None, "memory above which it is slowed down and reclaimed; version 2 only")
    swap: Size | None = option(None, "swap space beside the memory, in bytes")
    cpu: Annotated[float, Range(0, 10_000)] | Unlimited | None = option(
        None, "processor time, in processors: 0.5 is half of one; at least 0.01"
    )
    cpu_weight: Annotated[int, Range(1, 10_000)] | None = option(
        None, "share of processor time where it is short; others have 100"
    )
    cpuset: Processors | None = option(None, 'processors that it may run on, such as "0-3,6"')
    cpuset_mems: Processors | None = option(None, "memory nodes that it may use")
    pids: Count | None = option(None, "processes and threads")
    io: Mapping[Device, Io] | None = option(
        None, 'by block device, as path or "major:minor": rbps, wbps, riops, wiops per second'
    )
    hugetlb: Mapping[HugePage, Size] | None = option(None, 'bytes in huge pages, by their size, such as "2MB"')


@dataclass(frozen=True, kw_only=True)
class Cgroup(Feature, Limits):
    """The container has control groups of its own, in which it is limited, counted, frozen and killed as a whole.

    Version 2 is used where it has the controller, version 1 where that has it.

    Example: `Cgroup(memory="256M", cpu=0.5, pids=64)`.
    """

    section: ClassVar[str] = "cgroup"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.PREPARE, Stage.ADOPT, Stage.SETTLE)
    rootless: ClassVar[Rootless] = Rootless(
        "partly",
        "in a group of version 2 that is delegated to him; not `devices`, for which the kernel wants CAP_BPF of root",
    )

    devices: Sequence[DeviceRule] | None = option(
        None, 'the only devices that may be used: "default", "c 1:3 rwm" or "/dev/fuse rw"'
    )
    exec: Limits | None = option(None, "what processes that are attached may use of that: memory, cpu, pids ...")
    name: GroupName | None = option(None, "of the group; the instance's by default")
    parent: GroupPath | None = option(
        None, "group that holds it, in every hierarchy; /haconiwa, or haconiwa below the caller's own"
    )
    assign: Sequence[Assignment] | None = option(
        None, 'put it into existing groups instead: "/batch", or "memory,pids:/batch" of version 1'
    )
    raw: Mapping[File, Line] | None = option(None, "files of the group that are written as they are")
    controllers: Mapping[str, Mapping[str, bool | int | float | str]] | None = option(
        None, "options of controllers that other distributions provide"
    )
    require: Literal["all", "best-effort"] = option(
        "all", '"best-effort" leaves out limits whose controller this host lacks, and says so'
    )

    @property
    def is_lenient(self) -> bool:
        """Whether less than is asked for is good enough."""
        return self.require == "best-effort"

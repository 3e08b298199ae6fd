"""More than the container may have. On the host nothing is exhausted, where there may be no limit."""

from __future__ import annotations

from pathlib import Path

from haconiwa_verify.asked import OPEN_FILES
from haconiwa_verify.attempt import Attempt, Words, completed
from haconiwa_verify.scene import Scene

_MOST_FILES = 1 << 17
_MOST_PROCESSES = 1 << 12
_OVER = 5 / 4
_UNLIMITED = "it is not limited"


def _files(scene: Scene) -> Words | str:
    limit = scene.asked.open_files
    if limit is None:
        return _UNLIMITED
    return ("open-files", limit + 1) if limit < _MOST_FILES else "there may be too many to try it"


def _processes(scene: Scene) -> Words | str:
    limit = scene.asked.limit("pids")
    if limit is None:
        return _UNLIMITED
    return ("make-processes", limit + 1) if limit < _MOST_PROCESSES else "there may be too many to try it"


def _memory(scene: Scene) -> Words | str:
    limit = scene.asked.limit("memory")
    if limit is None:
        return _UNLIMITED
    if scene.asked.is_ended_as_a_whole:
        return "the kernel would end the whole container, and the probe in it"
    if _has_swap() and scene.asked.limit("swap") is None:
        return "what does not fit is swapped, which is not limited"
    size = int(limit * _OVER)
    return ("take-memory", size) if size < _available() // 2 else "the host has too little memory to try it"


def _has_swap() -> bool:
    return len(Path("/proc/swaps").read_text().splitlines()) > 1


def _available() -> int:
    """Return how many bytes the host can give away without swapping (proc_meminfo(5))."""
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024


ATTEMPTS = (
    Attempt(
        "open-files",
        "open more files than there may be",
        _files,
        completed,
        lambda _: [OPEN_FILES],
        control=False,
    ),
    Attempt(
        "processes",
        "make more processes than there may be",
        _processes,
        completed,
        lambda _: ["cgroup pids"],
        control=False,
        exhausting=True,
    ),
    Attempt(
        "memory",
        "take more memory than there may be",
        _memory,
        completed,
        lambda _: ["cgroup memory"],
        control=False,
        exhausting=True,
    ),
)

"""What the container can take away from others."""

from __future__ import annotations

from haconiwa_audit.check import Check
from haconiwa_audit.view import View
from haconiwa_core.finding import Finding


def _processes(view: View) -> bool:
    return not view.limits("pids")


def _memory(view: View) -> bool:
    return not view.limits("memory")


CHECKS = (
    Check(
        Finding(
            "NO-PIDS-LIMIT",
            "the number of processes is not limited",
            "harm to others: when the container has made all processes that there can be, nobody can make one",
            "give cgroup a limit of pids",
            "cgroup",
        ),
        _processes,
    ),
    Check(
        Finding(
            "NO-MEMORY-LIMIT",
            "memory is not limited",
            "harm to others: when the container has taken all memory, the kernel ends processes of the host",
            "give cgroup a limit of memory",
            "cgroup",
        ),
        _memory,
    ),
)

"""Plans for tests: without root, for a host that is the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from haconiwa_core.container import Container
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.facts import Fact
from haconiwa_core.feature import Feature
from haconiwa_core.host import CgroupTree, HostFacts
from haconiwa_core.planning.context import Entry
from haconiwa_core.planning.plan import Plan, PlannedStep
from haconiwa_core.planning.planner import plan
from haconiwa_core.plugins.discovery import installed
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.testing.published import INSTALLED, Published

_LAST_CAPABILITY = 40
_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")


def host(**changes: Any) -> HostFacts:
    """Return the facts of a made-up host with all privileges and kinds of namespaces.

    Args:
        changes: fields of HostFacts that differ; `capabilities=0, uid=1000, gid=1000` is an ordinary user.
    """
    facts: dict[str, Any] = {
        "kernel": "6.12.0",
        "machine": "x86_64",
        "uid": 0,
        "gid": 0,
        "capabilities": (2 << _LAST_CAPABILITY) - 1,
        "last_capability": _LAST_CAPABILITY,
        "namespaces": ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"),
        "users": {"root": (0, 0), "www-data": (33, 33), "alice": (1000, 1001)},
        "cgroups": (CgroupTree("/sys/fs/cgroup", 2, _CONTROLLERS, "/", delegated=False),),
        "seccomp_actions": ("kill_process", "kill_thread", "trap", "errno", "user_notif", "trace", "log", "allow"),
        "landlock": 6,
        "lsms": ("capability", "landlock", "yama", "apparmor"),
        "groups": {"root": 0, "www-data": 33, "ssl-cert": 110, "alice": 1001},
    }
    return HostFacts(**{**facts, **changes})


@cache
def all_plugins() -> Plugins:
    """Return the installed plugins, and the one that publishes facts for tests."""
    return Plugins([*installed(), INSTALLED])


def container_of(
    *features: Feature, command: Sequence[str] = ("true",), facts: Sequence[Fact] = (), **fields: Any
) -> Container:
    """Return a container named "test".

    Args:
        features: of the container.
        command: the program and its arguments.
        facts: what features that are not there would publish: `Namespace("mnt", CLONE_NEWNS)`
            makes a mount namespace.
        fields: further fields of Container.
    """
    published = [Published(facts=tuple(facts))] if facts else []
    return Container(**{"name": "test", "command": command, "features": (*features, *published), **fields})


def plan_of(
    *features: Feature,
    host: HostFacts | None = None,
    plugins: Plugins | None = None,
    entry: Entry = "start",
    hold: bool = False,
    **fields: Any,
) -> Plan:
    """Return the plan of a container.

    Args:
        features: of the container.
        host: that the plan is for; the made-up one by default.
        plugins: where the features come from; all that are installed by default.
        entry: "start" or "attach".
        hold: the start waits before EXEC.
        fields: as for `container_of`.

    Raises:
        DefinitionError: the container cannot be planned.
    """
    return plan(container_of(*features, **fields), host or _made_up(), plugins or all_plugins(), entry, hold=hold)


_made_up = host


def problems_of(*features: Feature, **fields: Any) -> tuple[Problem, ...]:
    """Return what planning complains about; the arguments are those of `plan_of`."""
    try:
        plan_of(*features, **fields)
    except DefinitionError as error:
        return error.problems
    return ()


def planned_steps(plan: Plan, plugin: str | None = None) -> list[PlannedStep]:
    """Return the steps of a plan, or those of one plugin, in order."""
    return [planned for planned in plan.steps if plugin in (None, planned.plugin)]


def functions(plan: Plan, plugin: str | None = None) -> list[str]:
    """Return the names of the functions of a plan's steps, or of one plugin's, in order."""
    return [planned.step.function.__name__ for planned in planned_steps(plan, plugin)]

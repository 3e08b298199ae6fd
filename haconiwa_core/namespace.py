"""What the plugins of all namespace kinds share. The core knows namespaces, not their kinds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from haconiwa_core import linux
from haconiwa_core.container import is_name
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.facts import Fact, Namespace
from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.linux.constants import CLONE_NEWPID, CLONE_NEWUSER
from haconiwa_core.operation import Slot
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.runtime.lookup import open_namespace_of_container
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step

if TYPE_CHECKING:
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row
    from haconiwa_core.planning.context import Planning
    from haconiwa_core.planning.plan import Plan

_DIRECTORY = Slot("directory")


@dataclass(frozen=True, kw_only=True)
class NamespaceFeature(Feature):
    """A namespace apart from the host's: a new one, or an existing one that is joined.

    Args:
        join: pid of a process, name of a container, or path of a namespace to join; a new
            namespace is made without it.
        keep: path on the host where a handle of the new namespace is kept, so that it outlives
            the container; `umount` and `rm` end it.
    """

    stages: ClassVar[tuple[Stage, ...]] = (Stage.PREPARE, Stage.ENTER, Stage.SETTLE, Stage.KEEP)
    rootless: ClassVar[Rootless] = Rootless(
        "partly", "in a user namespace, or joined with one; `keep` needs CAP_SYS_ADMIN: a handle is a mount of the host"
    )

    kind: ClassVar[str]
    """The file in /proc/PID/ns."""

    flag: ClassVar[int]
    """The kind's CLONE_NEW* bit."""

    may_be_kept: ClassVar[bool] = True
    """Whether a handle keeps the namespace alive when its processes have ended."""

    join: int | str | None = option(None, "join this namespace: a pid, a container's name, or a path")
    keep: str | None = option(None, "keep a handle of the new namespace on this free path of the host")


Facts = Callable[[Any, "Planning"], Iterable[Fact]]
Steps = Callable[[Any, "Planning"], Iterable[Step]]
Rows = Callable[[Any, "Plan", "Confined"], "Iterable[Row]"]


def namespace_hooks(
    kind: type[NamespaceFeature], facts: Facts | None = None, steps: Steps | None = None, rows: Rows | None = None
) -> tuple[Callable[[], type[Feature]], Facts, Steps, Rows]:
    """Return the hooks of a namespace's plugin: feature, facts, steps, isolation.

    Args:
        kind: the feature.
        facts: further facts of the kind.
        steps: further steps of the kind, for a new namespace and for a joined one.
        rows: further rows of the isolation matrix.
    """

    @hookimpl
    def haconiwa_feature() -> type[Feature]:
        return kind

    @hookimpl
    def haconiwa_facts(feature: NamespaceFeature, planning: Planning) -> Iterable[Fact]:
        yield Namespace(feature.kind, feature.flag, feature.join is not None)
        if facts:
            yield from facts(feature, planning)

    @hookimpl
    def haconiwa_steps(feature: NamespaceFeature, planning: Planning) -> Iterable[Step]:
        if planning.entry == "attach":
            return  # The core itself joins what the container has.
        _refuse_contradictions(feature, planning)
        yield from _join(feature, planning)
        if steps:
            yield from steps(feature, planning)
        yield from _keep(feature, planning)

    @hookimpl
    def haconiwa_isolation(feature: NamespaceFeature | None, plan: Plan, confined: Confined) -> Iterable[Row]:
        from haconiwa_core.isolation.kernel import OWN, namespace_row

        join = feature.join if feature else None
        asked = "" if feature is None else OWN if join is None else f"that of {join}"
        yield namespace_row(kind.section, kind.kind, confined, asked, join)
        if rows:
            yield from rows(feature, plan, confined)

    return haconiwa_feature, haconiwa_facts, haconiwa_steps, haconiwa_isolation


def _refuse_contradictions(feature: NamespaceFeature, planning: Planning) -> None:
    problems = []
    if feature.keep is not None and not planning.privileged:
        text = "needs CAP_SYS_ADMIN, which the caller does not have: a handle is a mount of the host"
        problems.append(Problem(text, key="keep", hint="run as root, or join the namespace of a running container"))
    if feature.join is not None and feature.keep is not None:
        problems.append(Problem("a joined namespace cannot be kept", key="keep", hint="keep it where it is made"))
    if feature.keep is not None and not feature.may_be_kept:
        problems.append(
            Problem(f"a {feature.kind} namespace dies with its first process and cannot be kept", key="keep")
        )
    if isinstance(feature.join, int) and feature.join < 1:
        problems.append(Problem(f"{feature.join} is no pid", key="join"))
    if isinstance(feature.join, str) and not feature.join.startswith("/") and not is_name(feature.join):
        problems.append(Problem(f"{feature.join!r} is neither an absolute path nor a container's name", key="join"))
    if problems:
        raise DefinitionError(problems)


def _join(feature: NamespaceFeature, planning: Planning) -> Iterator[Step]:
    if feature.join is None:
        return
    handle = Slot(f"{feature.kind}-namespace")
    stage = Stage.ENTER if _joined_before_clone(feature, planning) else Stage.SETTLE
    if isinstance(feature.join, str) and not feature.join.startswith("/"):
        yield Step(Stage.PREPARE, open_namespace_of_container, feature.kind, feature.join, into=handle)
    else:
        path = feature.join if isinstance(feature.join, str) else f"/proc/{feature.join}/ns/{feature.kind}"
        yield Step(Stage.PREPARE, linux.open_namespace, path, into=handle)
    after = entered_after(planning)
    if feature.flag == CLONE_NEWUSER and planning.privileged:
        after = (Namespace,)
    yield Step(stage, linux.join_namespace, handle, feature.flag, after=after)


def _joined_before_clone(feature: NamespaceFeature, planning: Planning) -> bool:
    """A pid namespace is entered by the next child only; a mapped child may not join the host's."""
    return feature.flag == CLONE_NEWPID or planning.user_namespace is not None


def entered_after(planning: Planning) -> tuple[str | type, ...]:
    """Return what must come before a step of ENTER that needs rights over a namespace.

    With rights on the host a joined user namespace comes last, for they end there; without, the
    user namespace comes first, for they begin there.
    """
    user = planning.user_namespace
    if user is None or planning.privileged:
        return ()
    return (planning.facts.publisher(Namespace, user.kind),)


def _keep(feature: NamespaceFeature, planning: Planning) -> Iterator[Step]:
    if feature.keep is None:
        return
    path = planning.host_path(os.fspath(feature.keep))
    yield Step(
        Stage.KEEP,
        linux.bind_handle,
        Slot("target"),
        feature.kind,
        path,
        _DIRECTORY,
        undo=Step(Stage.KEEP, linux.remove_own_handle, path, feature.kind, _DIRECTORY),
        lasting=True,
    )

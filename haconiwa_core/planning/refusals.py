"""Combinations that the kernel refuses, refused while planning: one reviewed table.

Each row says what the kernel would refuse, and a test shows that it really does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from haconiwa_core.errors import Problem
from haconiwa_core.facts import FreshFilesystem, IdMap, Namespace, NewRoot
from haconiwa_core.plugins.catalogue import providers_of
from haconiwa_core.stages import Stage

if TYPE_CHECKING:
    from haconiwa_core.planning.context import Planning


class Refusal(NamedTuple):
    """One row: a name for tests and documentation, the reason, and how it is recognised.

    Args:
        name: of the row.
        reason: what the kernel does.
        find: yields the problems of one planning.
    """

    name: str
    reason: str
    find: Callable[[Planning], Iterator[Problem]]


def refusals(planning: Planning) -> list[Problem]:
    """Return every problem that the table finds."""
    return [problem for row in TABLE for problem in row.find(planning)]


def _filesystem_of_foreign_namespace(planning: Planning) -> Iterator[Problem]:
    user = planning.user_namespace
    if user is None:
        return
    for fresh in planning.facts.all(FreshFilesystem):
        shown = planning.facts.get(Namespace, fresh.shows)
        if fresh.shows and (shown is None or (shown.joined and not user.joined)):
            yield Problem(
                f"the user namespace may not mount {fresh.kind} of a {fresh.shows} namespace that is not its own",
                section=planning.facts.publisher(FreshFilesystem, fresh.key),
                hint=_add(f"Namespace {fresh.shows}", "with a new namespace"),
            )


def _unprivileged_without_user_namespace(planning: Planning) -> Iterator[Problem]:
    if planning.privileged or planning.user_namespace:
        return
    needing = {
        *planning.facts.publishers(Namespace),
        *planning.facts.publishers(NewRoot),
        *planning.facts.publishers(FreshFilesystem),
    }
    for plugin in sorted(needing):
        yield Problem(
            "needs CAP_SYS_ADMIN, which the caller does not have",
            section=plugin,
            hint=f"run as root, or {_add('Namespace user')}",
        )


def _map_without_root(planning: Planning) -> Iterator[Problem]:
    mapping = planning.facts.get(IdMap)
    if mapping is None:
        return
    for what, ranges in (("user", mapping.users), ("group", mapping.groups)):
        if not any(part.inside == 0 and part.count for part in ranges):
            yield Problem(
                f"{what} 0 of the user namespace is not mapped, but setting up needs it",
                section=planning.facts.publisher(IdMap),
                hint="map 0 to an id of the host",
            )


def _kind_unknown_to_kernel(planning: Planning) -> Iterator[Problem]:
    for namespace in planning.facts.all(Namespace):
        if namespace.kind not in planning.host.namespaces:
            yield Problem(
                f"the kernel {planning.host.kernel} has no {namespace.kind} namespaces",
                section=planning.facts.publisher(Namespace, namespace.kind),
            )


def _add(need: str, qualification: str = "") -> str:
    able = " or ".join(providers_of(need)) or need
    return f"add {able} {qualification}".rstrip()


TABLE = (
    Refusal(
        "filesystem-of-foreign-namespace",
        "proc, sysfs and mqueue show a namespace; mounting one is EPERM unless the mounter's user"
        f" namespace owns what it shows ({Stage.MOUNTS.name})",
        _filesystem_of_foreign_namespace,
    ),
    Refusal(
        "unprivileged-without-user-namespace",
        "new namespaces, mounts and roots are EPERM without CAP_SYS_ADMIN or CAP_SYS_CHROOT",
        _unprivileged_without_user_namespace,
    ),
    Refusal(
        "map-without-root",
        "setresuid(0) is EINVAL where 0 is not mapped",
        _map_without_root,
    ),
    Refusal(
        "kind-unknown-to-kernel",
        "clone3 and unshare are EINVAL for a kind that the kernel was built without",
        _kind_unknown_to_kernel,
    ),
)

"""What is wrong with a section: what the kernel lacks, what says nothing, who may not restrict itself."""

from __future__ import annotations

from collections.abc import Iterator

from haconiwa_core.errors import Problem
from haconiwa_core.facts import CapabilitySets, Namespace, NoNewPrivileges
from haconiwa_core.host import HostFacts
from haconiwa_core.linux import set_uid
from haconiwa_core.linux.constants import CAP_SYS_ADMIN, CLONE_NEWUSER
from haconiwa_core.planning.plan import Plan
from haconiwa_core.plugins.catalogue import providers_of
from haconiwa_landlock import Landlock
from haconiwa_landlock.asked import denied_files, grants, ports, restricts_files
from haconiwa_landlock.rights import OPTIONS_SINCE, SINCE, FileAccess


def unknown_to_kernel(feature: Landlock, host: HostFacts) -> Iterator[Problem]:
    """Yield a problem for whatever this kernel's Landlock cannot deny or grant."""
    version = host.landlock
    if not version:
        absent = f"the kernel {host.kernel} has no Landlock, or has booted without it"
        yield Problem(absent, hint="add landlock to lsm= on its command line")
        return

    def lacks(what: str, since: int, key: str, hint: str = "") -> Iterator[Problem]:
        if version < since:
            found = f"{what} needs version {since} of Landlock, and the kernel {host.kernel} has {version}"
            yield Problem(found, key=key, hint=hint)

    denied = denied_files(feature, version)
    for access, since in SINCE.items():
        name = str(access.name).lower()
        if access in denied:
            hint = f'add "{name}" to allow it everywhere'
            yield from lacks(f"denying {name}", since, "unrestricted", hint)
    for grant in grants(feature):
        if FileAccess.REFER in grant.access:
            yield from lacks("granting refer", SINCE[FileAccess.REFER], grant.key)
    restricted = [*ports(feature), *(["scope"] if feature.scope else [])]
    for key in restricted:
        yield from lacks("it", OPTIONS_SINCE[key], key)


def without_effect(feature: Landlock, host: HostFacts) -> Iterator[Problem]:
    """Yield a problem for whatever says nothing, which is not what its author means."""
    if not restricts_files(feature):
        if feature.unrestricted:
            yield Problem("no access to files is restricted", key="unrestricted", hint="give read, write or execute")
        elif not ports(feature) and not feature.scope:
            yield Problem("nothing is restricted", hint="give paths, ports or a scope")
    if "refer" in feature.unrestricted:
        yield Problem("refer is always denied where no rule grants it", key="unrestricted", hint="use rules")
    denied = denied_files(feature, host.landlock)
    for grant in grants(feature):
        if not grant.access & denied:
            yield Problem(f"of {grant.path} nothing is granted that is denied elsewhere", key=grant.key)


def may_not_restrict(plan: Plan) -> Iterator[Problem]:
    """Yield a problem if the kernel would refuse to put a ruleset in force."""
    if plan.facts.get(NoNewPrivileges) or _may_administer(plan):
        return
    text = "needs no_new_privs or CAP_SYS_ADMIN, and the container's user has neither"
    yield Problem(text, hint=f"add {' or '.join(providers_of(NoNewPrivileges.__name__))}")


def _may_administer(plan: Plan) -> bool:
    """Whether the command has CAP_SYS_ADMIN in its user namespace, the host's or another."""
    sets = plan.facts.get(CapabilitySets)
    if sets:
        return bool(sets.permitted >> CAP_SYS_ADMIN & 1)
    # Who becomes another user than 0 keeps none.
    leaves_root = any(item.step.function is set_uid and item.step.arguments != (0,) for item in plan.steps)
    mapped = any(namespace.flag == CLONE_NEWUSER for namespace in plan.facts.all(Namespace))
    return not leaves_root and (mapped or plan.host.has_capability(CAP_SYS_ADMIN))

"""Capabilities: names become sets while planning; the child drops, sets and reads back numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_capabilities import Capabilities
from haconiwa_capabilities.kernel import (
    limit_bounding_set,
    lower_sets,
    raise_sets,
    set_ambient_set,
    set_secure_bits,
)
from haconiwa_capabilities.names import Capability, SecureBit, in_order, listed, mask_of
from haconiwa_capabilities.sets import Numbers, available_to, every, explicit, wanted
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.facts import CapabilitySets
from haconiwa_core.feature import Feature
from haconiwa_core.planning.context import Planning
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step

if TYPE_CHECKING:
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row
    from haconiwa_core.planning.plan import Plan


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Capabilities


@hookimpl
def haconiwa_facts(feature: Capabilities, planning: Planning) -> Iterator[CapabilitySets]:
    """Publish what the command has as user 0; as another user it has the ambient ones of it."""
    # Whether `all` means the caller's depends on a user namespace, which may not be known yet: at most all.
    sets = wanted(feature, planning.host, every(planning.host))
    yield CapabilitySets(mask_of(sets.kept), mask_of(sets.permitted))


@hookimpl
def haconiwa_steps(feature: Capabilities, planning: Planning) -> Iterator[Step]:
    """Limit the bounding set while the child is root, and all others when it is the container's user."""
    available = available_to(planning)
    sets = wanted(feature, planning.host, available)
    problems = [*_not_available(feature, sets.kept, available, planning), *_beyond_running(sets.kept, planning)]
    if problems:
        raise DefinitionError(problems)
    yield Step(Stage.BOUNDING, limit_bounding_set, planning.host.last_capability, *in_order(sets.kept))
    # The permitted set is kept when the user changes, for ambient ones come from it; executing the command ends that.
    keeping = SecureBit.SECBIT_KEEP_CAPS
    yield Step(Stage.BOUNDING, set_secure_bits, keeping)
    inheritable, ambient = mask_of(sets.inheritable), mask_of(sets.ambient)
    raised = mask_of(sets.kept | {Capability.CAP_SETPCAP})
    yield Step(Stage.CAPABILITIES, raise_sets, raised, inheritable, keeping)
    # Before the secure bits, one of which forbids it.
    yield Step(Stage.CAPABILITIES, set_ambient_set, *in_order(sets.ambient))
    yield Step(Stage.CAPABILITIES, set_secure_bits, sets.securebits)
    yield Step(Stage.CAPABILITIES, lower_sets, mask_of(sets.permitted), ambient, inheritable)


@hookimpl
def haconiwa_isolation(feature: Capabilities | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    """Read the sets back."""
    from haconiwa_capabilities.isolation import rows

    yield from rows(feature, plan, confined)


def _not_available(feature: Capabilities, kept: Numbers, available: Numbers, planning: Planning) -> Iterator[Problem]:
    if Capability.CAP_SETPCAP not in available:
        hint = f"run as root, or {planning.providers('Namespace user')}"
        yield Problem("needs CAP_SETPCAP, which the caller does not have", hint=hint)
        return
    missing = kept - available
    given = explicit(feature)
    for number in sorted(missing & given.keys()):
        yield Problem(f"the caller does not have {listed([number])}", key=given[number])
    if rest := missing - given.keys():
        yield Problem(f"the caller does not have {listed(rest)} of the default set", hint="name what it lacks in drop")


def _beyond_running(kept: Numbers, planning: Planning) -> Iterator[Problem]:
    """Yield what a process is given that the container it is put into cannot have."""
    section = planning.running and planning.running.feature(Capabilities.section)
    if isinstance(section, Capabilities):
        beyond = kept - wanted(section, planning.host, available_to(planning)).kept
        if beyond:
            yield Problem(f"not in the bounding set of the running container: {listed(beyond)}")

"""Sysctl: names are checked against the table; the child writes each parameter in its own namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.facts import Namespace
from haconiwa_core.feature import Feature
from haconiwa_core.operation import Slot
from haconiwa_core.options import suggestion
from haconiwa_core.planning.context import Planning
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_sysctl import Sysctl
from haconiwa_sysctl.kernel import open_parameters, set_parameter
from haconiwa_sysctl.names import IPC, NAMES, NET_CORE, USER, name_of, namespace_of, path_of

if TYPE_CHECKING:
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row

_PARAMETERS = Slot("sysctls")


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Sysctl


@hookimpl
def haconiwa_steps(feature: Sysctl, planning: Planning) -> Iterator[Step]:
    """Open the host's parameters before the root changes, and set those of the container's namespaces."""
    problems = list(_problems(feature, planning))
    if problems:
        raise DefinitionError(problems)
    yield Step(Stage.PREPARE, open_parameters, into=_PARAMETERS)
    for name, value in feature.values.items():
        yield Step(Stage.IDENTITY, set_parameter, _PARAMETERS, path_of(name), str(value))


@hookimpl
def haconiwa_isolation(feature: Sysctl | None, confined: Confined) -> Iterator[Row]:
    """Read the parameters back."""
    from haconiwa_sysctl.isolation import rows

    yield from rows(feature, confined)


def _problems(feature: Sysctl, planning: Planning) -> Iterator[Problem]:
    written: dict[str, str] = {}
    for name in feature.values:
        key = f"values.{name}"
        path = path_of(name)
        if path in written:
            yield Problem(f"is the same as {written[path]}", key=key)
            continue
        written[path] = name
        kind = namespace_of(path)
        if path in NAMES:
            text = "is a name of the UTS namespace, whose feature sets it"
            yield Problem(text, key=key, hint=planning.providers("Namespace uts"))
        elif not kind:
            text = "is not known to belong to a namespace: it would be set for the whole host"
            yield Problem(text, key=key, hint=suggestion(name_of(path), map(name_of, IPC | USER | NET_CORE)))
        elif planning.facts.get(Namespace, kind) is None:
            text = f"belongs to a {kind} namespace, and the container's is the host's"
            yield Problem(text, key=key, hint=planning.providers(f"Namespace {kind}"))

"""Ask all plugins about a plan, and set what is accepted aside."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from haconiwa_audit import Audit
from haconiwa_core.errors import PluginError
from haconiwa_core.finding import Finding
from haconiwa_core.planning.plan import Plan
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.plugins.survey import survey


class Report(NamedTuple):
    """What an audit says of one container.

    Args:
        container: its name.
        findings: that its author has not accepted.
        accepted: that he has, in the definition or by the caller's word.
        stale: codes that the definition accepts though there is no such finding.
    """

    container: str
    findings: tuple[Finding, ...]
    accepted: tuple[Finding, ...]
    stale: tuple[str, ...]


def audit(plan: Plan, plugins: Plugins, accept: Collection[str] = ()) -> Report:
    """Return what is weak in a plan, as far as the installed plugins know.

    Args:
        plan: of a start.
        plugins: all that are enabled are asked, whether the container has their feature or not.
        accept: codes that are accepted beside those of the section "audit".

    Raises:
        PluginError: a plugin cannot be asked, so that nobody can say that nothing is wrong.
    """
    loaded = survey(plugins)
    for outcome in loaded.values():
        if isinstance(outcome, PluginError):
            raise outcome
    others = sorted(loaded.keys() - {Audit.section})
    found = [finding for name in (Audit.section, *others) for finding in plugins.findings(name, plan)]
    section = plan.container.feature(Audit.section)
    own = section.accept if isinstance(section, Audit) else ()
    codes = {finding.code for finding in found}
    accepted = {*own, *accept}
    return Report(
        plan.container.name,
        tuple(finding for finding in found if finding.code not in accepted),
        tuple(finding for finding in found if finding.code in accepted),
        tuple(code for code in dict.fromkeys(own) if code not in codes),
    )

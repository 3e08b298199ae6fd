"""Audit: no steps; findings about what features make together, and about what is missing."""

from __future__ import annotations

from collections.abc import Iterator

from haconiwa_audit import Audit
from haconiwa_audit.findings import CHECKS
from haconiwa_audit.view import View
from haconiwa_core.feature import Feature
from haconiwa_core.finding import Finding
from haconiwa_core.planning.plan import Plan
from haconiwa_core.plugins.hookspecs import hookimpl


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Audit


@hookimpl
def haconiwa_findings(plan: Plan) -> Iterator[Finding]:
    """Find what no single plugin can know."""
    view = View(plan)
    yield from (check.finding for check in CHECKS if check.applies(view))

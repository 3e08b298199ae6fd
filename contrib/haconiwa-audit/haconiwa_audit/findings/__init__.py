"""Everything that is looked for, one module a subject."""

from haconiwa_audit.check import Check
from haconiwa_audit.findings import files, kernel, limits, namespaces, privileges

CHECKS: tuple[Check, ...] = (
    *files.CHECKS,
    *namespaces.CHECKS,
    *privileges.CHECKS,
    *kernel.CHECKS,
    *limits.CHECKS,
)
"""In the order in which findings are told."""

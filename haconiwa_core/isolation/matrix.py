"""All rows of one process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from haconiwa_core.errors import PluginError
from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.kernel import core_rows
from haconiwa_core.isolation.rows import Isolation, Row, unknown
from haconiwa_core.plugins.survey import survey

if TYPE_CHECKING:
    from haconiwa_core.planning.plan import Plan
    from haconiwa_core.plugins.loading import Plugins


def isolation_of(plan: Plan, confined: Confined, plugins: Plugins) -> Isolation:
    """Return the matrix of a live process.

    Args:
        plan: of its container's definition as it is in force.
        confined: the process.
        plugins: all that are installed and enabled are asked, whether the container has their feature or not.

    Raises:
        ProcessLookupError: it has ended meanwhile.
    """
    sections = {feature.section: feature for feature in plan.container.features}
    rows: list[Row] = []
    for name, loaded in sorted(survey(plugins).items()):
        feature = sections.get(name)
        asked = name if feature else ""
        if isinstance(loaded, PluginError):
            rows.append(unknown(name, name, asked, str(loaded)))
            continue
        try:
            rows += plugins.isolation(name, feature, plan, confined)
        except ProcessLookupError:
            raise
        except OSError as error:
            rows.append(unknown(name, name, asked, f"cannot be read: {error}"))
    rows += core_rows(rows, plan, confined)
    confined.check()
    return Isolation(rows)

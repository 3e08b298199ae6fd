"""NoNewPrivs: one bit, set when nothing that needs rights is left to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_core.facts import NoNewPrivileges
from haconiwa_core.feature import Feature
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_no_new_privs import NoNewPrivs
from haconiwa_no_new_privs.kernel import set_no_new_privileges

if TYPE_CHECKING:
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return NoNewPrivs


@hookimpl
def haconiwa_facts() -> Iterator[NoNewPrivileges]:
    """Tell those who may do without rights because of it."""
    yield NoNewPrivileges(NoNewPrivs.section)


@hookimpl
def haconiwa_steps() -> Iterator[Step]:
    """Set the bit."""
    # With it, a caller that is itself confined by AppArmor could choose a narrower profile only.
    yield Step(Stage.CONFINE, set_no_new_privileges, after=("apparmor",))


@hookimpl
def haconiwa_isolation(feature: NoNewPrivs | None, confined: Confined) -> Iterator[Row]:
    """Read the bit back."""
    from haconiwa_no_new_privs.isolation import row

    yield row(feature, confined)

"""What is asked of Landlock. What is in force, the kernel tells nobody: only who tries finds out."""

from __future__ import annotations

from collections.abc import Iterator

from haconiwa_core.isolation.rows import Row, lines_of, unknown
from haconiwa_landlock import Landlock
from haconiwa_landlock.asked import ports, restricts_files

_WHY = "no call reads a Landlock domain back; only an attempt tells (`haconiwa verify`)"


def rows(feature: Landlock | None) -> Iterator[Row]:
    """Yield what is restricted."""
    yield unknown(
        Landlock.section, "landlock files", "restricted" if feature and restricts_files(feature) else "", _WHY
    )
    uses = ports(feature) if feature else {}
    asked = "; ".join(f"{use} {lines_of(sorted(listed))}" for use, listed in uses.items())
    yield unknown(Landlock.section, "landlock ports", asked, _WHY)
    yield unknown(Landlock.section, "landlock scope", ", ".join(feature.scope) if feature else "", _WHY)

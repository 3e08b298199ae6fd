"""Which paths of the container are hidden, and which are made read-only."""

from __future__ import annotations

from collections.abc import Sequence

from haconiwa_mount import Mount
from haconiwa_mount.kernel import MASKED, READ_ONLY


def masked(feature: Mount) -> Sequence[str]:
    """Return the paths that are hidden; without a word about it, what proc and sysfs tell of the host."""
    return _default(feature, MASKED) if feature.masked is None else feature.masked


def read_only(feature: Mount) -> Sequence[str]:
    """Return the paths that are made read-only; without a word about it, what a write to proc would change."""
    return _default(feature, READ_ONLY) if feature.read_only is None else feature.read_only


def _default(feature: Mount, paths: Sequence[str]) -> Sequence[str]:
    return paths if feature.proc or feature.sysfs else ()

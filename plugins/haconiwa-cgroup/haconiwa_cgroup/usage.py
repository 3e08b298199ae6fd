"""What the kernel tells of a container's groups, as JSON has it."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path

from haconiwa_cgroup import Cgroup
from haconiwa_cgroup.controller import find
from haconiwa_cgroup.layout import OPTIONS, layout_of
from haconiwa_core.host import gather
from haconiwa_core.linux.cgroups import is_frozen

_PRESSURES = ("cpu", "io", "memory")


def usage_of(feature: Cgroup, name: str) -> Mapping[str, object] | None:
    """Return what a running container uses, and what its limits are.

    Args:
        feature: its section as it is in force.
        name: of the instance.

    Returns:
        By controller what that tells; also "groups" with the directories, "frozen", and "pressure" (PSI) where
        there is version 2. None for a container that was put into groups that are not its own.

    Raises:
        OSError: it has no groups any more, or was started from where these lie elsewhere.
    """
    if feature.assign is not None:
        return None
    layout = layout_of(feature, gather())
    group = feature.name or name
    main = Path(layout.main.base, group)
    if not main.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"there is no group {main}")
    places = {hierarchy.label: Path(hierarchy.base, group) for hierarchy in layout.hierarchies}
    found: dict[str, object] = {
        "groups": {label: str(folder) for label, folder in places.items()},
        "frozen": is_frozen(layout.main.base, group),
    }
    for controller in sorted({*OPTIONS.values(), *(target.controller for target in layout.options)}):
        for hierarchy in layout.hierarchies:
            folder, version = places[hierarchy.label], hierarchy.tree.version
            if told := find(controller).usage(folder, version):
                shown = found.setdefault(controller, {})
                assert isinstance(shown, dict)
                # Version 2 counts processor time even where version 1 limits it.
                shown.update({key: value for key, value in told.items() if key not in shown})
    if pressure := {kind: waits for kind in _PRESSURES if (waits := _pressure(main, kind))}:
        found["pressure"] = pressure
    return found


def _pressure(group: Path, kind: str) -> dict[str, dict[str, float]]:
    """Return how long processes have waited for a resource, in percent of time and microseconds."""
    try:
        lines = (group / f"{kind}.pressure").read_text().splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        # The kernel keeps no account of it.
        if error.errno != errno.EOPNOTSUPP:
            raise
        return {}
    rows = (line.split() for line in lines)
    return {row[0]: dict(map(_number, row[1:])) for row in rows}


def _number(word: str) -> tuple[str, float]:
    name, _, value = word.partition("=")
    return name, float(value) if "." in value else int(value)

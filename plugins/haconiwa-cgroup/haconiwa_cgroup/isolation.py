"""What is in force in the groups in which a live process really is (proc_pid_cgroup(5), cgroups(7))."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from haconiwa_cgroup import Cgroup
from haconiwa_cgroup.controller import Setting
from haconiwa_cgroup.controllers.devices import attach_devices
from haconiwa_cgroup.layout import OPTIONS, Layout, Written, assigned, label_of, layout_of
from haconiwa_cgroup.reading import read_back
from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared, lines_of, unknown
from haconiwa_core.linux.cgroups import ATTACHED, FIRST

if TYPE_CHECKING:
    from haconiwa_core.planning.plan import Plan

_FILE = "/proc/PID/cgroup"
_WHAT = "control groups"
_OWN, _HOSTS = "own", "the host's"
_OWNERS = {"blkio": "io", "": "devices"}
"""Controllers whose files are not called after them; devices are a program in version 2."""


def rows(feature: Cgroup | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    """Yield whether the groups are the container's own, and a row for each controller."""
    places = _places(plan, confined)
    if feature is None or feature.assign is not None:
        yield _assigned(feature, plan, places, confined)
        yield from (_unasked(name, _HOSTS) for name in sorted({*OPTIONS.values()}))
        return
    layout = layout_of(feature, plan.host)
    own = all(_group_of(places[item.label]).parent == Path(item.base) for item in layout.hierarchies)
    yield compared(Cgroup.section, _WHAT, _OWN, _OWN if own else _HOSTS, "", _FILE)
    written: dict[str, list[Written]] = {}
    for item in layout.written:
        written.setdefault(_owner(item.setting), []).append(item)
    left_out = {controller for _, controller in layout.left_out}
    for name in sorted({*OPTIONS.values(), *written} - left_out):
        applied = [item for item in written.get(name, ()) if item.leaf in ("", _leaf_of(places[item.hierarchy.label]))]
        yield _controller(name, applied, places) if applied else _unasked(name, "no limit")
    yield from _left_out(layout)


def _assigned(feature: Cgroup | None, plan: Plan, places: dict[str, Path], confined: Confined) -> Row:
    """Return whether the process is in the existing groups that it was to be put into."""
    wanted = dict(assigned(feature, plan.host)) if feature else {}
    if not wanted:
        shared = confined.read("cgroup") == confined.host.read("cgroup")
        return compared(Cgroup.section, _WHAT, "", _HOSTS if shared else "others", "", _FILE)
    there = {label: str(places[label]) for label in wanted}
    asked, in_force = (lines_of(sorted(each.values())) for each in (wanted, there))
    return compared(Cgroup.section, _WHAT, asked, in_force, "", _FILE)


def _controller(name: str, written: list[Written], places: dict[str, Path]) -> Row:
    """Return whether all that was asked of a controller is in force where the process is."""
    what = f"cgroup {name}"
    asked = "; ".join(f"{item.setting.file or name}={_on_line(item.setting.value)}" for item in written)
    if any(item.setting.write is attach_devices for item in written):
        return unknown(Cgroup.section, what, asked, "no call reads a program of version 2 back; only an attempt tells")
    told, folders, holds = [], set(), True
    for item in written:
        place = places[item.hierarchy.label]
        folder = place if item.leaf else _group_of(place)
        found, same = read_back(folder, item.setting)
        told.append(f"{item.setting.file}={_on_line(found)}")
        folders.add(str(folder))
        holds = holds and same
    row = compared(Cgroup.section, what, asked, "; ".join(told), "", ", ".join(sorted(folders)))
    return row._replace(state="holds" if holds else "fails")


def _left_out(layout: Layout) -> Iterator[Row]:
    keys: dict[str, list[str]] = {}
    for key, controller in layout.left_out:
        keys.setdefault(controller, []).append(key)
    for controller, names in sorted(keys.items()):
        asked, verified = f"{lines_of(names)}, best effort", f"this host has no controller {controller}"
        yield Row(Cgroup.section, f"cgroup {controller}", asked, "left out", "", verified, "weak")


def _unasked(name: str, in_force: str) -> Row:
    return compared(Cgroup.section, f"cgroup {name}", "", in_force, "", _FILE)


def _places(plan: Plan, confined: Confined) -> dict[str, Path]:
    """Return the directories of the groups in which a process is, by the hierarchy's label."""
    trees = {("" if tree.version == 2 else label_of(tree)): tree for tree in plan.host.cgroups}
    own = _paths(Path("/proc/self/cgroup").read_text())
    places = {}
    for names, path in _paths(confined.read("cgroup")).items():
        if tree := trees.get(names):
            # What is mounted may be a group below the hierarchy's root.
            above = own[names].removesuffix(tree.own) if own[names].endswith(tree.own) else ""
            places[label_of(tree)] = Path(tree.mount + path.removeprefix(above))
    return places


def _paths(text: str) -> dict[str, str]:
    return {names: path for _, names, path in (line.split(":", 2) for line in text.splitlines())}


def _leaf_of(place: Path) -> str:
    return place.name if place.name in (FIRST, ATTACHED) else ""


def _group_of(place: Path) -> Path:
    """Return the container's group, in whose leaves its processes are."""
    return place.parent if _leaf_of(place) else place


def _owner(setting: Setting) -> str:
    name = setting.file.partition(".")[0]
    return _OWNERS.get(name, name)


def _on_line(text: str) -> str:
    return ", ".join(text.split("\n"))

"""In which hierarchies a container has groups, where, and what is written there: pure, from the host's facts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from haconiwa_cgroup import Cgroup
from haconiwa_cgroup.controller import Controller, Setting, find
from haconiwa_cgroup.files import write_exactly, write_line
from haconiwa_cgroup.groups import CALLER
from haconiwa_core.errors import DefinitionError, PluginError, Problem
from haconiwa_core.host import CgroupTree, HostFacts
from haconiwa_core.linux.cgroups import ATTACHED
from haconiwa_core.options import suggestion

TOP = "haconiwa"
"""The group that holds those of the containers."""

CONTAINER = ""
"""The container's group itself, beside its leaves FIRST and ATTACHED."""

OPTIONS = {
    **dict.fromkeys(("memory", "memory_high", "swap"), "memory"),
    **dict.fromkeys(("cpu", "cpu_weight"), "cpu"),
    **dict.fromkeys(("cpuset", "cpuset_mems"), "cpuset"),
    **{name: name for name in ("pids", "io", "hugetlb", "devices")},
}
"""The controller of each option that is one's."""

_CORE_FILES = ("cgroup.max.depth", "cgroup.max.descendants", "cgroup.pressure")
"""Files that are no controller's and limit; the others of that name move, kill and freeze."""


class Hierarchy(NamedTuple):
    """A hierarchy in which the container has a group.

    Args:
        tree: the host's.
        top: the highest directory that may be changed.
        base: the directory that holds the groups of containers.
        divided: the directory that is the caller's to divide, and in whose own group the caller is; "" for none.
    """

    tree: CgroupTree
    top: str
    base: str
    divided: str

    @property
    def label(self) -> str:
        """What to call it: "unified", or the controllers of a version 1 hierarchy."""
        return label_of(self.tree)


class Written(NamedTuple):
    """A setting and where it is written.

    Args:
        hierarchy: in which.
        leaf: CONTAINER or ATTACHED.
        setting: what is written.
        controller: that is needed; "" for none.
    """

    hierarchy: Hierarchy
    leaf: str
    setting: Setting
    controller: str


class Target(NamedTuple):
    """What options are for: a controller, and a group.

    Args:
        leaf: CONTAINER or ATTACHED.
        controller: the name of its entry point.
    """

    leaf: str
    controller: str

    def key(self, option: str) -> str:
        """Return where in the section an option stands."""
        if self.controller not in OPTIONS.values():
            return f"controllers.{self.controller}.{option}".rstrip(".")
        return f"exec.{option}" if self.leaf else option


@dataclass
class Layout:
    """Where the groups of one container lie.

    Args:
        feature: whose options have been checked.
        host: whose hierarchies they are.
        options: what `options_of` gives, or others.

    Attributes:
        main: the hierarchy in which all of the container can be killed and frozen.
        written: what is written, in order.
        used: the hierarchy of each controller that has options.
        left_out: what this host has no controller for, where the section can do without: option and controller.

    Raises:
        DefinitionError: this host cannot do it.
    """

    feature: Cgroup
    host: HostFacts
    options: Mapping[Target, Mapping[str, Any]]
    written: list[Written] = field(default_factory=list)
    used: dict[str, Hierarchy] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    _problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.main = self._main()
        for target, given in self.options.items():
            self._collect(target, given)
        self._collect_raw()
        if self._problems:
            raise DefinitionError(self._problems)

    @property
    def hierarchies(self) -> list[Hierarchy]:
        """Those in which the container has a group; the main one last, so that it is the first to be removed."""
        others = {item.hierarchy for item in self.written} - {self.main}
        return [*sorted(others, key=lambda item: item.label), self.main]

    def controllers(self, hierarchy: Hierarchy, leaf: str | None = None) -> tuple[str, ...]:
        """Return what has to be on in a hierarchy for what is written there, in all of its groups or in a leaf."""
        wanted = (item for item in self.written if item.hierarchy == hierarchy and leaf in (None, item.leaf))
        return tuple(sorted({item.controller for item in wanted} - {""}))

    def _main(self) -> Hierarchy:
        trees = [tree for tree in self.host.cgroups if not any("=" in name for name in tree.controllers)]
        best = (
            *(tree for tree in trees if tree.version == 2),
            *(tree for tree in trees if "freezer" in tree.controllers),
            *trees,
        )
        if not best:
            raise DefinitionError(
                [Problem("no hierarchy of control groups is mounted here", hint="mount cgroup2 on /sys/fs/cgroup")]
            )
        return self.hierarchy(best[0])

    def hierarchy(self, tree: CgroupTree) -> Hierarchy:
        """Return where the container's group lies in a hierarchy."""
        own = os.path.dirname(tree.own) if os.path.basename(tree.own) == CALLER else tree.own
        if self.feature.parent:
            base = tree.mount + self.feature.parent
            return Hierarchy(tree, tree.mount, base, base if own == self.feature.parent else "")
        ours = tree.delegated or self.host.uid != 0 or own != tree.own
        if ours and ".." in own.split("/"):
            raise DefinitionError([Problem("the caller's own group is not within what is mounted", key="parent")])
        # Else a group of our own stands beside those of whoever manages the host.
        top = os.path.normpath(tree.mount + own) if ours else tree.mount
        return Hierarchy(tree, top, os.path.join(top, TOP), top if ours or own == "/" else "")

    def _collect(self, target: Target, given: Mapping[str, Any]) -> None:
        """Collect what one controller writes into one group."""
        name = target.controller
        first = target.key(next(iter(given), ""))
        try:
            controller = find(name)
        except PluginError as error:
            self._problems.append(Problem(str(error), key=first))
            return
        unknown = [option for option in given if option not in controller.options]
        self._problems += [
            Problem(f'unknown key "{option}"', key=target.key(option), hint=suggestion(option, controller.options))
            for option in unknown
        ]
        if unknown or not given:
            return
        place = self.place_of(controller)
        if place is None:
            self._lacks(name, list(map(target.key, given)), "; see /proc/cgroups")
            return
        version = place.tree.version
        try:
            settings = list(controller.settings(given, version))
        except DefinitionError as error:
            self._problems += [item._replace(key=target.key(item.key)) for item in error.problems]
            return
        kernels = controller.names[version] if version == 2 else ""
        self.used[name] = place
        self.written += [Written(place, target.leaf, setting, kernels) for setting in settings]

    def place_of(self, controller: Controller) -> Hierarchy | None:
        """Return the hierarchy that has a controller, if this host has it."""
        for version, name in controller.names.items():
            for tree in self.host.cgroups:
                if tree.version == version and (not name or name in tree.controllers):
                    return self.hierarchy(tree)
        return None

    def _lacks(self, controller: str, keys: list[str], more: str = "") -> None:
        if self.feature.is_lenient:
            self.left_out += [(key, controller) for key in keys]
        else:
            text = f"this host has no controller {controller}"
            self._problems.append(Problem(text, key=keys[0], hint=f"{_found(self.host)}{more}"))

    def _collect_raw(self) -> None:
        for file, line in (self.feature.raw or {}).items():
            owner = file.partition(".")[0]
            key = f"raw.{file}"
            if owner == "cgroup" and file not in _CORE_FILES:
                hint = f"only {', '.join(_CORE_FILES)} are; see pause and kill"
                self._problems.append(Problem("is nothing that limits", key=key, hint=hint))
                continue
            trees = [
                tree
                for tree in self.host.cgroups
                if owner in tree.controllers or (owner == "cgroup" and tree.version == 2)
            ]
            if not trees:
                self._lacks(owner, [key])
                continue
            kernels = owner if trees[0].version == 2 and owner != "cgroup" else ""
            write = write_line if " " in line else write_exactly
            self.written.append(Written(self.hierarchy(trees[0]), CONTAINER, Setting(file, line, write), kernels))


def layout_of(feature: Cgroup, host: HostFacts) -> Layout:
    """Return where the groups of one container lie.

    Raises:
        DefinitionError: this host cannot do it.
    """
    return Layout(feature, host, options_of(feature))


def assigned(feature: Cgroup, host: HostFacts) -> list[tuple[str, str]]:
    """Return label and directory of each existing group that the container is put into.

    Raises:
        DefinitionError: a hierarchy is not there, or more is asked for than that.
    """
    problems = [
        Problem("an existing group is nobody's to change", key=item.name, hint="leave it out, or leave out assign")
        for item in fields(feature)
        if item.name not in ("assign", "require") and getattr(feature, item.name) is not None
    ]
    places: dict[str, str] = {}
    for index, text in enumerate(feature.assign or ()):
        names, _, path = text.rpartition(":")
        for name in names.split(","):
            tree = _tree_with(name, host)
            if tree is None:
                wanted = f"controller {name}" if name else "hierarchy of version 2"
                problems.append(Problem(f"this host has no {wanted}", key=f"assign[{index}]", hint=_found(host)))
            else:
                label = label_of(tree)
                if places.setdefault(label, tree.mount + path) != tree.mount + path:
                    problems.append(Problem(f"names a second group of {label}", key=f"assign[{index}]"))
    if problems:
        raise DefinitionError(problems)
    return sorted(places.items())


def options_of(feature: Cgroup) -> dict[Target, dict[str, Any]]:
    """Return the options that are given, by what they are for.

    Raises:
        DefinitionError: a controller of ours is named like one of others.
    """
    found: dict[Target, dict[str, Any]] = {}
    for leaf, limits in ((CONTAINER, feature), (ATTACHED, feature.exec)):
        for option, owner in OPTIONS.items():
            # Devices are the container's alone.
            value = getattr(limits, option, None)
            if value is not None and value != {}:
                found.setdefault(Target(leaf, owner), {})[option] = value
    foreign = feature.controllers or {}
    known = [
        Problem(f"the controller {name} has options of its own", key=f"controllers.{name}", hint=f"use {_own(name)}")
        for name in foreign
        if name in OPTIONS.values()
    ]
    if known:
        raise DefinitionError(known)
    return {**found, **{Target(CONTAINER, name): dict(options) for name, options in foreign.items()}}


def _own(controller: str) -> str:
    return " or ".join(option for option, owner in OPTIONS.items() if owner == controller)


def _tree_with(controller: str, host: HostFacts) -> CgroupTree | None:
    """Return the hierarchy with a controller, or that of version 2."""
    trees = (tree for tree in host.cgroups if controller in tree.controllers or (not controller and tree.version == 2))
    return next(trees, None)


def _found(host: HostFacts) -> str:
    names = sorted({name for tree in host.cgroups for name in tree.controllers if "=" not in name})
    return f"it has {', '.join(names)}" if names else "it has none"


def label_of(tree: CgroupTree) -> str:
    """Return what to call a hierarchy."""
    return "unified" if tree.version == 2 else ",".join(tree.controllers)

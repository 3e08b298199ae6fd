"""Groups that a test may use, in every hierarchy of this host; none of them outlives it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from haconiwa_cgroup import Cgroup
from haconiwa_cgroup.layout import label_of

from haconiwa_core.host import CgroupTree, HostFacts, gather
from haconiwa_core.linux import remove_cgroup
from haconiwa_core.runtime.processes import End
from haconiwa_core.runtime.start import start
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing import plan_of
from haconiwa_core.testing.running import INSTANCE


class Place:
    """Where a test's containers have their groups.

    Attributes:
        parent: for the option of that name.
    """

    def __init__(self, name: str) -> None:
        self.parent = f"/{name}"
        self.trees = [tree for tree in gather().cgroups if "=" not in ",".join(tree.controllers)]

    def folder(self, hierarchy: str, *below: str) -> Path:
        """Return a directory of a hierarchy: "unified", or by a controller."""
        tree = self.tree(hierarchy)
        return Path(tree.mount + self.parent, *below)

    def tree(self, hierarchy: str) -> CgroupTree:
        """Return a hierarchy; skip the test where this host has none like it."""
        for tree in self.trees:
            if hierarchy == label_of(tree) or hierarchy in tree.controllers:
                return tree
        pytest.skip(f"this host has no hierarchy {hierarchy}")

    def label(self, hierarchy: str) -> str:
        """Return what the hierarchy of a controller is called, as in `groups_inside` of the tests."""
        return label_of(self.tree(hierarchy))

    def left(self) -> list[Path]:
        """Return all groups that are below the parent, in any hierarchy."""
        tops = [Path(tree.mount + self.parent) for tree in self.trees]
        return [Path(folder) for top in tops for folder, _, _ in os.walk(top) if Path(folder) != top]

    def end_of(self, feature: Cgroup, command: Sequence[str], host: HostFacts | None = None) -> End:
        """Return how a container has ended."""
        with TemporaryDirectory() as directory, open(os.devnull, "r+") as null:
            claim = Store(Path(directory)).claim(INSTANCE)
            streams = dict.fromkeys(("stdin", "stdout", "stderr"), null.fileno())
            plan = plan_of(feature, command=command, host=host or gather())
            return start(plan, claim, streams).finish(remove=True)

    def hosts(self) -> dict[str, HostFacts]:
        """Return this host as it is, and as if version 2 were not mounted."""
        facts = gather()
        alone = tuple(tree for tree in facts.cgroups if tree.version == 1)
        return {"whole": facts, "version 1": facts._replace(cgroups=alone)}


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Where groups may be made; the test has to leave none."""
    found = Place(f"haconiwa-test-{os.getpid()}")
    assert found.left() == []
    yield found
    left = found.left()
    for tree in found.trees:
        # Who was in it may not have ended quite yet.
        remove_cgroup(tree.mount, found.parent.lstrip("/"))
    assert left == []


@pytest.fixture(params=["whole", "version 1"])
def host(request: pytest.FixtureRequest, place: Place) -> HostFacts:
    """Return this host as it is, and as if version 2 were not mounted."""
    facts = place.hosts()[request.param]
    if not facts.cgroups:
        pytest.skip("this host has no hierarchy of version 1")
    return facts

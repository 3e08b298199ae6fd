"""An ordinary user in a group that is theirs: everything works without root but what needs other controllers."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from haconiwa_cgroup import Cgroup
from haconiwa_cgroup.freezer import set_frozen
from haconiwa_cgroup.layout import CALLER

from haconiwa_core.errors import SetupError
from haconiwa_core.host import HostFacts, gather
from haconiwa_core.linux.cgroups import is_frozen
from haconiwa_core.testing import become, forked, needs_root, run, started
from haconiwa_core.testing.running import INSTANCE, run_attached

pytestmark = needs_root

NOBODY = 65534


@pytest.fixture
def own(place) -> Iterator[Path]:
    """A group of version 2 that belongs to an ordinary user, who can divide it."""
    folder = Path(place.folder("unified"))
    # All that the user runs is imported before: the files of a checkout may be root's alone.
    with started(Cgroup(parent=place.parent)) as running:
        run_attached(running, Cgroup(parent=place.parent), command=["true"])
    for name in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
        os.chown(folder / name, NOBODY, NOBODY)
    os.setxattr(folder, "trusted.delegate", b"1")
    yield folder
    for name in ("haconiwa", CALLER):
        with suppress(FileNotFoundError):
            (folder / name).rmdir()


def as_user(own: Path, function: Callable[[HostFacts], object], *, outside: bool = False) -> None:
    """Run a function in a process of the user's, which lies in the group, or outside of it."""
    folder = tempfile.mkdtemp(dir="/tmp")
    os.chown(folder, NOBODY, NOBODY)

    def act() -> None:
        if not outside:
            (own / "cgroup.procs").write_text("0")
        become(NOBODY)
        tempfile.tempdir = folder
        facts = gather()
        # Version 1 is root's.
        function(facts._replace(cgroups=tuple(tree for tree in facts.cgroups if tree.version == 2)))

    status = forked(act)
    shutil.rmtree(folder)
    assert status == 0


def test_the_mark_of_delegation_is_seen(own: Path, place) -> None:
    def check(facts: HostFacts) -> None:
        assert (facts.cgroups[0].own, facts.uid) == (place.parent, NOBODY)

    as_user(own, check)


def test_it_starts_attaches_freezes_and_ends(own: Path, place) -> None:
    group = own / "haconiwa" / INSTANCE

    def check(facts: HostFacts) -> None:
        feature = Cgroup()
        with started(feature, host=facts) as running:
            assert (
                Path(f"/proc/{running.pid}/cgroup").read_text().endswith(f"{place.parent}/haconiwa/{INSTANCE}/first\n")
            )
            shown = run_attached(running, feature, command=["cat", "/proc/self/cgroup"], host=facts).stdout
            assert shown.endswith(f"{place.parent}/haconiwa/{INSTANCE}/attached\n")
            set_frozen(group, frozen=True)
            assert is_frozen(str(group.parent), group.name)
            running.kill()
        assert not group.exists()

    as_user(own, check)


@pytest.fixture
def hugetlb() -> Iterator[None]:
    """Turn the controller on at the top, as whoever manages the host does; off again when no group needs it."""
    tree = next((tree for tree in gather().cgroups if tree.version == 2), None)
    if tree is None or "hugetlb" not in tree.controllers:
        pytest.skip("hugetlb is not in version 2")
    control = Path(tree.mount, "cgroup.subtree_control")
    former = control.read_text().split()
    control.write_text("+hugetlb")
    yield
    if "hugetlb" not in former:
        control.write_text("-hugetlb")


def test_a_limit(hugetlb: None, own: Path, place) -> None:
    """What must be empty to be divided is emptied: the caller goes into a leaf beside the containers."""
    file = own / "haconiwa" / INSTANCE / "hugetlb.2MB.max"

    def check(facts: HostFacts) -> None:
        feature = Cgroup(hugetlb={"2MB": "4M"})
        assert run(feature, command=["cat", str(file)], host=facts).stdout == "4194304\n"
        assert Path("/proc/self/cgroup").read_text().endswith(f"{place.parent}/{CALLER}\n")
        # From there, the next one finds the same place.
        again = gather()
        again = again._replace(cgroups=again.cgroups[:1])
        assert again.cgroups[0].own == f"{place.parent}/{CALLER}"
        assert run(feature, command=["cat", str(file)], host=again).stdout == "4194304\n"

    as_user(own, check)


def test_a_group_that_is_not_the_users(own: Path) -> None:
    os.chown(own, 0, 0)

    def check(facts: HostFacts) -> None:
        with pytest.raises(SetupError, match="the caller may not change the control group") as caught:
            run(Cgroup(), command=["true"], host=facts)
        assert "haconiwa scope run" in caught.value.remedy

    as_user(own, check)


def test_a_place_that_is_not_the_users(own: Path) -> None:
    (own / "haconiwa").mkdir()

    def check(facts: HostFacts) -> None:
        with pytest.raises(SetupError, match=r"make_cgroup.*EACCES") as caught:
            run(Cgroup(), command=["true"], host=facts)
        assert "haconiwa scope run" in caught.value.remedy

    as_user(own, check)


def test_a_caller_outside_of_the_group(own: Path, place) -> None:
    """The kernel moves nobody from a group that is not the mover's."""

    def check(facts: HostFacts) -> None:
        with pytest.raises(SetupError, match=r"clone3.*EACCES") as caught:
            run(Cgroup(parent=place.parent), command=["true"], host=facts)
        assert "haconiwa scope run" in caught.value.remedy
        assert caught.value.cleanup == ()

    as_user(own, check, outside=True)


def test_a_controller_that_was_not_delegated(own: Path) -> None:
    if "memory" in (own / "cgroup.controllers").read_text().split():
        pytest.skip("the top has turned the controller on")

    def check(facts: HostFacts) -> None:
        tree = facts.cgroups[0]._replace(controllers=("memory",))
        with pytest.raises(SetupError, match="has no controller memory") as caught:
            run(Cgroup(memory="64M"), command=["true"], host=facts._replace(cgroups=(tree,)))
        assert "cgroup.subtree_control" in caught.value.remedy

    as_user(own, check)


def test_a_fork_bomb_of_the_users(own: Path) -> None:
    """It is bounded by the depth of what a shell starts here, and leaves its session at once."""
    script = "for i in 1 2 3 4 5; do setsid sh -c 'setsid sleep 600 & setsid sleep 600 &' & done; wait; exec sleep 600"
    procs = own / "haconiwa" / INSTANCE / "first" / "cgroup.procs"

    def check(facts: HostFacts) -> None:
        with started(Cgroup(), command=["sh", "-c", script], host=facts) as running:
            deadline = time.monotonic() + 20
            while len(procs.read_text().split()) < 11:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            running.send_signal(signal.SIGKILL)
        assert not procs.exists()

    as_user(own, check)

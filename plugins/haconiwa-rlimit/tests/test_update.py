"""Limits of a running container change for all of its processes, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from haconiwa_rlimit import Rlimit

from haconiwa_core import Container
from haconiwa_core.errors import DefinitionError, StepError
from haconiwa_core.host import gather
from haconiwa_core.launch.local import run_host_step
from haconiwa_core.linux.constants import CAP_SYS_RESOURCE
from haconiwa_core.linux.host import KERNEL, descendants
from haconiwa_core.planning.updating import plan_update
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing import needs_root, started
from haconiwa_core.testing.running import INSTANCE

pytestmark = needs_root

FAMILY = ["sh", "-c", "sleep 600 & (sleep 600 & sleep 600) & read line; exec sleep 600"]


def update(store: Store, old: Rlimit, new: Rlimit) -> None:
    containers = (Container("web", FAMILY, [feature]) for feature in (old, new))
    for planned in plan_update(*containers, gather(), Plugins()):
        run_host_step(planned, {"name": INSTANCE, "directory": str(store.directory / INSTANCE)}, KERNEL)


def open_files(pid: int) -> list[str]:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line.split()[3:5] for line in lines if line.startswith("Max open files"))


def test_every_process_has_the_new_limit(tmp_path: Path) -> None:
    store = Store(tmp_path / "state")
    old = Rlimit(nofile=64, core=0)
    with started(old, command=FAMILY, store=store) as running:
        while len(pids := [running.pid, *(pid for pid, _ in descendants(running.pid))]) < 4:
            pass
        assert {tuple(open_files(pid)) for pid in pids} == {("64", "64")}
        update(store, old, Rlimit(nofile=(16, 32), core=0))
        assert {tuple(open_files(pid)) for pid in pids} == {("16", "32")}


def test_what_was_not_given_cannot_be_set_or_taken_back(tmp_path: Path) -> None:
    store = Store(tmp_path / "state")
    old = Rlimit(nofile=64, core=0)
    with started(old, command=FAMILY, store=store) as running:
        with pytest.raises(DefinitionError) as caught:
            update(store, old, Rlimit(nofile=16, stack=1 << 20))
        assert {problem.key for problem in caught.value.problems} == {"core", "stack"}
        assert open_files(running.pid) == ["64", "64"]


def test_a_limit_that_may_not_be_raised(tmp_path: Path) -> None:
    if gather().has_capability(CAP_SYS_RESOURCE):
        pytest.skip("the caller has CAP_SYS_RESOURCE and may raise every limit")
    store = Store(tmp_path / "state")
    old = Rlimit(nofile=64)
    with started(old, command=FAMILY, store=store):
        with pytest.raises(StepError) as caught:
            update(store, old, Rlimit(nofile=128))
        assert "CAP_SYS_RESOURCE" in caught.value.remedy


def test_one_that_has_ended(tmp_path: Path) -> None:
    store = Store(tmp_path / "state")
    with started(Rlimit(nofile=64), store=store):
        pass
    with pytest.raises(OSError, match="no container named"):
        update(store, Rlimit(nofile=64), Rlimit(nofile=32))

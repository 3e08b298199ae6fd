import pytest
from haconiwa_lxcfs import Lxcfs
from haconiwa_lxcfs.kernel import PATHS

from haconiwa_core.facts import FreshFilesystem, Namespace
from haconiwa_core.linux.constants import CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER
from haconiwa_core.stages import Stage
from haconiwa_core.testing import host, plan_of, planned_steps, problems_of

MOUNTS = Namespace("mnt", CLONE_NEWNS)
PROC = FreshFilesystem("proc", "/proc", "pid")
SYSFS = FreshFilesystem("sysfs", "/sys", "net")
ALICE = host(uid=1000, gid=1001, capabilities=0)


def targets(*facts: FreshFilesystem) -> set[object]:
    steps = planned_steps(plan_of(Lxcfs(), facts=(MOUNTS, *facts)), "lxcfs")
    return {planned.step.arguments[1] for planned in steps if planned.step.stage is Stage.MOUNTS}


def test_what_is_covered() -> None:
    proc = {f"/proc/{path}" for path in PATHS["proc"]}
    assert targets(PROC) == proc
    assert targets(PROC, SYSFS) == proc | {f"/sys/{path}" for path in PATHS["sysfs"]}


@pytest.mark.parametrize("facts", [(), (SYSFS,)])
def test_it_needs_a_proc_of_its_own(facts: tuple[FreshFilesystem, ...]) -> None:
    (problem,) = problems_of(Lxcfs(), facts=(MOUNTS, *facts))
    assert "proc" in problem.text
    assert "mount" in problem.hint


def test_where_lxcfs_is() -> None:
    plan = plan_of(Lxcfs(directory="lxcfs"), facts=(MOUNTS, PROC), folder="/srv/definitions")
    assert planned_steps(plan, "lxcfs")[0].step.arguments[0] == "/srv/definitions/lxcfs/proc/cpuinfo"


def test_an_ordinary_users_child_takes_the_files() -> None:
    facts = (MOUNTS, PROC, Namespace("user", CLONE_NEWUSER), Namespace("pid", CLONE_NEWPID))
    steps = planned_steps(plan_of(Lxcfs(), facts=facts, host=ALICE), "lxcfs")
    assert {planned.step.stage for planned in steps} == {Stage.MOUNTS}

from haconiwa_ns_cgroup import CgroupNamespace

from haconiwa_core.linux.constants import CLONE_NEWCGROUP
from haconiwa_core.stages import Stage
from haconiwa_core.testing import plan_of, planned_steps


def test_the_child_leaves_the_hosts_itself() -> None:
    (planned,) = planned_steps(plan_of(CgroupNamespace()), "ns-cgroup")
    assert (planned.step.stage, planned.step.arguments) == (Stage.SETTLE, (CLONE_NEWCGROUP,))

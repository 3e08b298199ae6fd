from haconiwa_ns_cgroup import CgroupNamespace

from haconiwa_core.testing import needs_root, run

pytestmark = needs_root


def test_its_own_cgroup_is_the_root() -> None:
    lines = run(CgroupNamespace(), command=["cat", "/proc/self/cgroup"]).stdout.splitlines()
    assert lines
    assert {line.split(":", 2)[2] for line in lines} == {"/"}

"""What the virtual machine is for: that it has what other hosts may lack, and what nothing else shows.

Not named like a test, so that it is run only there, where `run` names it.
"""

import resource
from pathlib import Path

from haconiwa_rlimit import Rlimit

from haconiwa_core.host import gather
from haconiwa_core.testing import run


def test_control_groups_are_of_version_2_only():
    (tree,) = gather().cgroups
    assert (tree.mount, tree.version) == ("/sys/fs/cgroup", 2)
    assert {"cpu", "cpuset", "io", "memory", "pids"} <= set(tree.controllers)
    assert Path("/proc/self/cgroup").read_text().count("\n") == 1


def test_every_capability_is_there():
    facts = gather()
    assert [number for number in range(facts.last_capability + 1) if not facts.has_capability(number)] == []


def test_apparmor_is_in_force():
    assert "apparmor" in gather().lsms
    assert Path("/sys/module/apparmor/parameters/enabled").read_text() == "Y\n"


def test_a_hard_limit_may_be_raised():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    result = run(Rlimit(nofile=hard + 1), command=["sh", "-c", "ulimit -Hn"])
    assert result.stdout.split() == [str(hard + 1)]

from haconiwa_cgroup import Cgroup, Limits

from haconiwa_core.testing import Conformance


class TestConformance(Conformance):
    section = "cgroup"
    valid = (
        Cgroup(),
        Cgroup(memory="64M", cpu=0.5, pids=64, devices=["default"]),
        Cgroup(memory=1 << 26, swap="max", cpu_weight=50, exec=Limits(memory="16M", pids=8)),
    )

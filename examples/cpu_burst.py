"""A full processor while it warms up, a tenth of one afterwards: `haconiwa run cpu_burst.py`.

A quota that is right for years of service makes the first seconds slow, in which code is compiled and caches are
filled.
"""

from haconiwa_cgroup import Cgroup
from haconiwa_ns_pid import PidNamespace
from haconiwa_supervision import Context

from haconiwa_core import Container

burst = Container(
    "burst",
    command=["sh", "-c", "while :; do :; done"],
    features=[PidNamespace(), Cgroup(cpu=1.0)],
)


@burst.after(seconds=10)
def settle(c: Context) -> None:
    c.update(cgroup={"cpu": 0.1})
    c.log.info("the burst is over", cpu=c.cgroup.cpu.max)

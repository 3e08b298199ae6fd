"""A container that is given more or less of a processor while it runs: `haconiwa run --name service scale.py`.

`haconiwa signal service TTIN` gives it a tenth of a processor more, TTOU a tenth less,
`haconiwa call service scale --arg cpu=1.5` that much, and `haconiwa call service usage` tells what it uses.
"""

from haconiwa_cgroup import Cgroup
from haconiwa_ns_pid import PidNamespace
from haconiwa_supervision import Context

from haconiwa_core import Container

LEAST, MOST = 0.1, 2.0

service = Container(
    "service",
    command=["sh", "-c", "while :; do :; done"],
    features=[PidNamespace(), Cgroup(cpu=0.5)],
)


def give(c: Context, cpu: float) -> float:
    """Set the quota within its bounds, and return it."""
    cpu = round(min(max(cpu, LEAST), MOST), 2)
    c.update(cgroup={"cpu": cpu})
    return cpu


@service.on_signal("TTIN")
def more(c: Context) -> None:
    give(c, c.cgroup.cpu.max + 0.1)


@service.on_signal("TTOU")
def less(c: Context) -> None:
    give(c, c.cgroup.cpu.max - 0.1)


@service.on_call("scale")
def scale(c: Context) -> float:
    return give(c, float(c.args["cpu"]))


@service.on_call("usage")
def usage(c: Context) -> dict[str, float]:
    return {"cpu": c.cgroup.cpu.max, "seconds": c.cgroup.cpu.usage_usec / 1e6}

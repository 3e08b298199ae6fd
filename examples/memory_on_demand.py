"""Memory that follows need, between a floor and a ceiling: `haconiwa run memory_on_demand.py`.

A limit that is nearly reached is doubled. It is halved only when less than a third is in use: then there is still room
afterwards, so that the limit does not swing (hysteresis).
"""

from haconiwa_cgroup import Cgroup
from haconiwa_ns_pid import PidNamespace
from haconiwa_supervision import Context

from haconiwa_core import Container

MIB = 1 << 20
FLOOR, CEILING = 64 * MIB, 512 * MIB

WORK = """
import time

held = []
for _ in range(15):
    held.append(b"x" * 10_000_000)
    time.sleep(0.5)
held.clear()
time.sleep(5)
"""

worker = Container(
    "worker",
    command=["python3", "-c", WORK],
    features=[PidNamespace(), Cgroup(memory=FLOOR)],
)


@worker.on_pressure("memory", stall=0.05)
@worker.every(seconds=0.5)
def follow(c: Context) -> None:
    used, limit = c.cgroup.memory.current, c.cgroup.memory.max
    if used > limit * 2 / 3:
        wanted = min(limit * 2, CEILING)
    elif used < limit / 3:
        wanted = max(limit // 2, FLOOR)
    else:
        return
    if wanted != limit:
        c.update(cgroup={"memory": wanted})
        c.log.info("memory", used=used, limit=wanted)

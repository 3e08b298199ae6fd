"""A supervisor that starts and ends containers again and again does not grow."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from haconiwa_core import Container
from haconiwa_core.definition.python import read_python
from haconiwa_core.linux.host import descendants

CYCLES = int(os.environ.get("SOAK", "1000"))
WARMED_UP = CYCLES // 4
AT_ONCE = 4
GROWTH = 4 << 10
"""KiB that the memory may grow by when it is warm."""


class Sizes:
    """What may grow, at one moment at which no container is there."""

    def __init__(self, house, prefix: str) -> None:
        pids = {"supervisor": house.process.pid, "keeper": pid_of_keeper(house)}
        self.descriptors = {who: len(os.listdir(f"/proc/{pid}/fd")) for who, pid in pids.items()}
        self.threads = int(status_of(house.process.pid)["Threads"])
        self.memory = {who: int(status_of(pid)["VmRSS"].split()[0]) for who, pid in pids.items()}
        self.children = len(descendants(house.process.pid))
        self.mounts = len(Path("/proc/self/mountinfo").read_text().splitlines())
        self.files = sorted(str(path.relative_to(house.store.directory)) for path in house.store.directory.rglob("*"))
        traces = house.traces(prefix)
        self.groups = traces["groups"]
        self.left = traces["mounts"] + traces["alive"]


def pid_of_keeper(house):
    (pid,) = {pid for pid, line in house._processes() if "keeper.py" in line}
    return pid


def status_of(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def cycle(house, kinds: Sequence[tuple[Container, str | None]], number: int) -> None:
    """Start a container, and remove it; every third ends by itself."""
    container, file = kinds[number % len(kinds)]
    if number % 3:
        (name,) = house.start(container, file=file)
        house.ask("remove", name=name, force=True)
    else:
        short = container.detached() if file else Container(container.name, ["true"], container.features)
        (name,) = house.start(short, file=file, remove=True)
        if file:
            house.ask("stop", name=name, timeout=0)
        house.until(lambda: name not in house.store.names())


def test_a_thousand_starts_and_ends(house, define, features):
    prefix = f"soak{os.getpid()}"
    file = define(f"""
hooked = Container("{prefix}", ["sleep", "600"])
@hooked.on("after_start")
def begun(c): pass
@hooked.every(600)
def tick(c): pass
""")
    (hooked,) = read_python(file)
    plain = Container(prefix, ["sleep", "600"])
    kinds = [(plain, None), (Container(prefix, plain.command, features), None), (plain, None), (hooked, str(file))]
    house.open()
    with ThreadPoolExecutor(AT_ONCE) as clients:
        list(clients.map(lambda number: cycle(house, kinds, number), range(WARMED_UP)))
        house.until(lambda: house.store.names() == [])
        house.until(lambda: settled(house))
        before = Sizes(house, prefix)
        list(clients.map(lambda number: cycle(house, kinds, number), range(WARMED_UP, CYCLES)))
    house.until(lambda: house.store.names() == [])
    house.until(lambda: settled(house))
    after = Sizes(house, prefix)

    assert after.descriptors == before.descriptors
    assert after.threads <= before.threads + AT_ONCE
    assert after.children == before.children
    assert (after.mounts, after.groups, after.left) == (before.mounts, [], [])
    assert after.files == before.files
    assert [who for who, memory in after.memory.items() if memory > before.memory[who] + GROWTH] == []
    assert house.faults() == []


def settled(house):
    """Whether no hook's process is left, which ends after its container."""
    return len(descendants(house.process.pid)) <= 1

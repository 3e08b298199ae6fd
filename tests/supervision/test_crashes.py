"""The supervisor is killed at any moment while clients start and stop containers: nothing is half done afterwards."""

from __future__ import annotations

import os
import random
import signal
import time
from threading import Thread

import pytest
from haconiwa_supervision.control.resident import ResidentSupervisor

from haconiwa_core import Container
from haconiwa_core.definition.python import read_python
from haconiwa_core.errors import HaconiwaError, RecordError
from haconiwa_core.linux.host import descendants
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.supervisor import Start

ROUNDS = 12


class Client(Thread):
    """Starts and removes one container again and again, until there is no supervisor.

    Attributes:
        known: whether the container is there, as the supervisor has confirmed it; None while something is asked.
        counts: how often it was started and removed.
    """

    def __init__(self, house, container, name, file, chance):
        super().__init__()
        self.known = False
        self.counts = [0, 0]
        self.error = None
        self._house = house
        self._chance = random.Random(chance.random())
        self._name = name
        self._wanted = Start([container.detached()], house.store, Plugins(), name, file=file)

    def run(self):
        while self._house.is_listening():
            known, self.known = self.known, None
            try:
                if known:
                    self._house.ask("remove", name=self._name, force=True)
                else:
                    ResidentSupervisor().start(self._wanted)
            except HaconiwaError as error:
                self.error = error
                return
            except AssertionError:
                # There was nobody to ask.
                self.known = known
                return
            self.known = not known
            self.counts[bool(known)] += 1
            time.sleep(self._chance.choice([0, 0.02]))


def status_of(house, name):
    try:
        return house.ask("inspect", name=name)["status"]
    except RecordError:
        return ""


def test_no_start_and_no_end_is_left_half_done(house, define, features, monkeypatch):
    chance = random.Random(0)
    # Where none listens, none is started.
    monkeypatch.setenv("HACONIWA_SOCKET", str(house.socket))
    prefix = f"crash{os.getpid()}"
    file = define(f"""
import time
hooked = Container("{prefix}", ["sleep", "600"])
@hooked.on("before_exec")
def gate(c):
    time.sleep(0.01)
@hooked.on("after_exit")
def over(c):
    time.sleep(0.01)
""")
    (hooked,) = read_python(file)
    kinds = [
        (Container(prefix, ["sleep", "600"]), None),
        (Container(prefix, ["sleep", "600"], features), None),
        (hooked, str(file)),
    ]
    names = [f"{prefix}-{number}" for number in range(len(kinds))]
    there = dict.fromkeys(names, False)
    counts = [0, 0]
    for _ in range(ROUNDS):
        house.open()
        clients = []
        for name, (container, source) in zip(names, kinds, strict=True):
            client = Client(house, container, name, source, chance)
            client.known = there[name]
            clients.append(client)
            client.start()
        time.sleep(chance.uniform(0.05, 0.8))
        house.kill()
        for client in clients:
            client.join(30)
            assert "supervisor" in str(client.error or "the supervisor has ended")
            counts = [sum(pair) for pair in zip(counts, client.counts, strict=True)]

        house.open()
        for name, client in zip(names, clients, strict=True):
            # An end that was begun is brought to its end.
            house.until(lambda name=name: name not in house.store.names() or status_of(house, name) == "running")
            found = name in house.store.names()
            assert found == house.is_running(name)
            if client.known is not None:
                assert found == client.known, (name, client.known)
            there[name] = found
        assert set(house.store.names()) == {name for name in names if there[name]}
        house.kill()

    house.open()
    for name in names:
        if there[name]:
            house.ask("remove", name=name, force=True)
    assert min(counts) > ROUNDS
    assert house.store.names() == []
    traces = house.traces(prefix)
    assert [line for line in traces.pop("processes") if "keeper.py" not in line and "supervise" not in line] == []
    assert traces == {"groups": [], "mounts": [], "alive": []}
    for name, (container, source) in zip(names, kinds, strict=True):
        assert house.start(container, name=name, file=source) == [name]
        house.ask("remove", name=name, force=True)
    assert house.faults() == []


@pytest.mark.parametrize("number", range(4))
def test_clients_and_supervisor_are_killed_together(house, define, python, number):
    """What belonged to clients in the foreground ends with them, whoever of them was first."""
    chance = random.Random(number)
    file = define(f"""
web = Container("web", {[*python("import time; time.sleep(600)"), str(house.folder)]!r})
@web.on("before_exec")
def gate(c): pass
""")
    house.open()
    clients = [house.command("run", "--rm", file) for _ in range(4)]
    time.sleep(chance.uniform(0.2, 1.0))
    victims = [*clients, house.process]
    chance.shuffle(victims)
    for victim in victims:
        victim.send_signal(signal.SIGKILL)
    for victim in victims:
        victim.wait(30)
    for client in clients:
        # What its container has written is not waited for: it lives.
        client.stdout.close()
        client.stderr.close()
    house.open()
    house.until(lambda: house.store.names() == [])
    house.until(lambda: not any("time.sleep(600)" in line for line in house.processes()))
    assert house.faults() == []


def test_a_launcher_that_is_killed_is_replaced(house):
    house.open()
    house.start(Container("one", ["sleep", "600"]))
    containers = {house.first(name).pid for name in house.store.names()}
    (launcher,) = {pid for pid, _ in descendants(house.process.pid)} - containers
    os.kill(launcher, signal.SIGKILL)
    house.start(Container("two", ["sleep", "600"]))
    assert len(house.store.names()) == 2
    assert house.faults() == []

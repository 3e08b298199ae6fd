"""A supervisor is killed, and containers go on, with the next one or without."""

from __future__ import annotations

import asyncio
import random
import signal
import time

import pytest
from haconiwa_runtime import AsyncRuntime, Runtime
from haconiwa_supervision import Ready, Supervision

from haconiwa_core import Container
from haconiwa_core.runtime.record import Process

COUNTER = """
import os, sys, time
gate, status, streams = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
number = 0
while not os.path.exists(gate):
    for stream in streams:
        os.write(int(stream), b"line %d\\n" % number)
    number += 1
    time.sleep(0.005)
for stream in streams:
    os.write(int(stream), b"last %d\\n" % number)
sys.exit(status)
"""


def test_containers_do_not_notice_that_their_supervisor_is_killed_again_and_again(house, python, tmp_path):
    """Twenty times, at any moment, also while it adopts; half of the containers end while there is none."""
    chance = random.Random(0)
    gates = [tmp_path / "first", tmp_path / "second"]
    house.open()
    names = {}
    for number in range(10):
        stdout = "null" if number in (3, 8) else "log"
        streams = ["2"] if stdout == "null" else ["1", "2"]
        if number == 3:
            streams = []
        command = [*python(COUNTER), str(gates[number % 2]), str(10 + number), *streams]
        container = Container(f"c{number}", command, stdout=stdout, stderr="log" if streams else "null")
        (names[number],) = house.start(container, name=f"c{number}")
    first = {name: house.first(name) for name in names.values()}

    for _ in range(20):
        if chance.random() < 0.3:
            house.listens()
            time.sleep(chance.uniform(0, 0.2))
        else:
            time.sleep(chance.uniform(0, 0.7))
        house.kill()
        house.open(wait=False)
    house.until(house.listens)
    assert {name: house.first(name) for name in names.values()} == first
    assert all(map(house.is_alive, first.values()))

    house.kill()
    gates[0].touch()
    house.until(lambda: not any(house.is_alive(first[names[number]]) for number in range(0, 10, 2)))
    # Whoever has them now reaps them when it gets to it.
    house.until(lambda: not any(Process.of(first[names[number]].pid).started for number in range(0, 10, 2)))
    house.open()
    gates[1].touch()
    house.until(lambda: all(house.record(name).status == "exited" for name in names.values()))

    known = house.can_tell_after_the_fact()
    statuses = {number: house.record(name).exit_status for number, name in names.items()}
    assert statuses == {number: 10 + number if known else None for number in names}
    for number, name in names.items():
        wanted = {3: [], 8: ["stderr"]}.get(number, ["stdout", "stderr"])
        for stream, lines in house.log_of(name).items() if wanted else ():
            if stream in wanted:
                count = len(lines) - 1
                assert count > 100
                assert lines == [*(f"line {each}" for each in range(count)), f"last {count}"]
            else:
                assert lines == []
    assert house.faults() == []


def test_timers_and_hooks_go_on(house, define, tmp_path):
    said = tmp_path / "said"
    file = define(f"""
web = Container("web", ["sleep", "600"])
def say(text):
    with open({str(said)!r}, "a") as file:
        file.write(text + "\\n")
@web.after(2)
def later(c):
    say(f"later {{c.store['n']}}")
@web.every(0.3, limit=12)
def tick(c):
    c.store["n"] = c.store.get("n", 0) + 1
    say("tick")
@web.on_call("ask")
def ask(c):
    return dict(c.store)
""")
    house.open()
    done = house.run("run", "-d", "--name", "web", file)
    assert (done.returncode, done.stdout) == (0, "web\n")
    house.until(lambda: said.exists() and "tick" in said.read_text())
    for _ in range(3):
        house.kill()
        house.open()
        time.sleep(0.4)
    house.until(lambda: house.ask("inspect", name="web")["hooks"]["tick"]["fired"] == 12)
    house.until(lambda: "later" in said.read_text())
    time.sleep(0.5)
    lines = said.read_text().splitlines()
    # A call that is killed with the supervisor has been begun: what it has done by then is done.
    assert 10 <= lines.count("tick") <= 12
    assert len([line for line in lines if line.startswith("later")]) == 1
    assert house.ask("call", name="web", command="ask", args={})["n"] >= 9
    time.sleep(1)
    assert said.read_text().splitlines() == lines
    house.ask("stop", name="web", timeout=0)


@pytest.mark.parametrize("kind", ["file", "notify"])
def test_readiness_goes_on(house, python, tmp_path, kind):
    gate = tmp_path / "gate"
    source = (
        "import os, socket, sys, time\n"
        "while not os.path.exists(sys.argv[1]): time.sleep(0.01)\n"
        "told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "told.sendto(b'READY=1', os.environ['NOTIFY_SOCKET']) if 'NOTIFY_SOCKET' in os.environ else None\n"
        "time.sleep(600)\n"
    )
    ready = Ready(file=str(gate)) if kind == "file" else Ready(notify=True)
    house.open()
    starting = house.command("run", "-d", "--name", "slow", house_file(tmp_path, python(source), gate, ready))
    out, err = starting.communicate(timeout=30)
    assert (starting.returncode, out, err) == (0, "slow\n", "")
    first = house.first("slow")
    assert not house.ask("inspect", name="slow")["ready"]
    house.kill()
    house.open()
    assert not house.ask("inspect", name="slow")["ready"]
    gate.touch()
    house.until(lambda: house.ask("inspect", name="slow")["ready"])
    assert house.first("slow") == first
    house.ask("stop", name="slow", timeout=0)


def house_file(folder, command, gate, ready):
    path = folder / "definition.py"
    path.write_text(
        "from haconiwa_core import Container\nfrom haconiwa_supervision import Ready, Supervision\n"
        f"slow = Container('slow', {[*command, str(gate)]!r}, [Supervision(ready={ready!r})])\n"
    )
    return path


def test_a_restart_that_was_waited_for_comes(house):
    kept = Supervision(restart="always", restart_delay=2.0)
    house.open()
    (name,) = house.start(Container("again", ["sh", "-c", "exit 1"], [kept]))
    house.until(lambda: house.ask("inspect", name=name)["status"] == "restarting")
    restarts = house.ask("inspect", name=name)["restarts"]
    house.kill()
    house.open()
    assert house.ask("inspect", name=name)["status"] == "restarting"
    house.until(lambda: house.ask("inspect", name=name)["restarts"] > restarts)
    events = [event for event in house.events(name) if event["event"] in ("exited", "started")]
    assert [event["event"] for event in events[:4]] == ["started", "exited", "started", "exited"]
    assert events[2]["time"] - events[1]["time"] >= 1.9
    house.ask("stop", name=name, timeout=0)
    assert house.faults() == []


@pytest.mark.parametrize("policy", ["no", "always"])
def test_an_end_that_was_not_concluded_is(house, define, tmp_path, policy):
    """The supervisor is killed while the last hooks of a container run: `--rm` and restarts are not forgotten."""
    begun, ready = tmp_path / "begun", tmp_path / "ready"
    file = define(f"""
import os, time
web = Container("web", ["sh", "-c", "exit 4"], [Supervision(restart={policy!r})])
@web.on("teardown", timeout=60)
def slow(c):
    if not os.path.exists({str(begun)!r}):
        open({str(begun)!r}, "w")
        time.sleep(60)
""")
    house.open()
    assert house.run("run", "-d", "--rm", "--name", "web", file).returncode == 0
    house.until(begun.exists)
    house.kill()
    house.open()
    if policy == "always":
        house.until(lambda: house.ask("inspect", name="web")["restarts"] > 0)
        house.ask("stop", name="web", timeout=0)
    house.until(lambda: house.store.names() == [])
    assert not ready.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_start_that_was_under_way_is_undone(house, define, tmp_path, number):
    begun = tmp_path / "begun"
    file = define(f"""
import time
web = Container("web", ["sleep", "600"])
@web.on("before_exec", timeout=60)
def slow(c):
    open({str(begun)!r}, "w")
    time.sleep(60)
""")
    house.open()
    client = house.command("run", "-d", "--name", "web", file)
    house.until(begun.exists)
    child = house.first("web")
    house.close(number)
    _, err = client.communicate(timeout=30)
    assert client.returncode != 0
    assert "the supervisor has ended before it answered" in err
    house.open()
    assert house.store.names() == []
    house.until(lambda: not house.is_alive(child))
    (name,) = house.start(Container("web", ["sleep", "600"]), name="web")
    house.ask("stop", name=name, timeout=0)


def test_all_of_a_group_are_undone_when_its_start_was_under_way(house, define):
    file = define("""
base = Container("base", ["sleep", "600"], [Supervision(ready=Ready(file="/never", timeout=600))])
web = Container("web", ["sleep", "600"], [Supervision(depends=("base",))])
""")
    house.open()
    client = house.command("run", "-d", file)
    house.until(lambda: [event for event in house.events() if event["event"] == "started"])
    (child,) = [house.first(name) for name in house.store.names() if name.startswith("base")]
    house.kill()
    client.communicate(timeout=30)
    assert client.returncode != 0
    house.open()
    assert house.store.names() == []
    house.until(lambda: not house.is_alive(child))


class TestForeground:
    """`haconiwa run FILE` in the foreground outlives its supervisor."""

    @pytest.fixture
    def file(self, define, reporter):
        command = list(reporter)
        return define(f"web = Container('web', {command!r})\n@web.on('after_exit')\ndef over(c): pass\n")

    @pytest.fixture
    def client(self, house, file):
        house.open()
        client = house.command("run", "--rm", "--name", "web", file)
        assert client.stdout.readline() == "here\n"
        # It forwards signals when it knows what it has started.
        client.send_signal(signal.SIGUSR1)
        assert client.stdout.readline() == f"got {signal.SIGUSR1.value}\n"
        yield client
        client.kill()
        client.wait()
        client.stdout.close()
        client.stderr.close()

    @pytest.mark.parametrize("successor", [True, False], ids=["with another one", "alone"])
    def test_it_forwards_signals_and_returns_the_status(self, house, client, successor):
        first = house.first("web")
        house.kill()
        if successor:
            house.open()
            assert house.first("web") == first
        client.send_signal(signal.SIGUSR1)
        assert client.stdout.readline() == f"got {signal.SIGUSR1.value}\n"
        client.send_signal(signal.SIGTERM)
        assert client.stdout.readline() == f"got {signal.SIGTERM.value}\n"
        assert client.wait(30) == (7 if house.can_tell_after_the_fact() else 125)
        house.until(lambda: house.store.names() == [])

    def test_it_waits_for_one_supervisor_after_the_other(self, house, client):
        for _ in range(3):
            house.kill()
            house.open()
            time.sleep(0.3)
        assert client.poll() is None
        client.send_signal(signal.SIGTERM)
        assert client.wait(30) == (7 if house.can_tell_after_the_fact() else 125)
        house.until(lambda: house.store.names() == [])

    @pytest.mark.parametrize("when", ["between supervisors", "under another supervisor"])
    def test_the_container_ends_with_its_caller(self, house, client, when):
        first = house.first("web")
        house.kill()
        if when == "under another supervisor":
            house.open()
            assert house.is_alive(first)
        client.kill()
        client.wait(30)
        if when == "between supervisors":
            assert house.is_alive(first)
            house.open()
        house.until(lambda: not house.is_alive(first))
        house.until(lambda: house.store.names() == [])


class TestPrograms:
    """A program that has started a container does not take the end of the supervisor for the container's."""

    @pytest.fixture
    def running(self, house):
        house.open()
        with Runtime(store=house.store) as runtime:
            yield runtime.start(Container("web", ["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.05; done"]))

    def test_it_runs_on(self, house, running):
        first = house.first(running.name)
        house.kill()
        with pytest.raises(TimeoutError):
            running.wait(0.5)
        assert running.state == "running"
        assert house.is_alive(first)
        assert running.stop() == (7 if house.can_tell_after_the_fact() else None)
        assert running.state == "exited"
        house.until(lambda: not house.is_alive(first))

    def test_the_next_one_tells_how_it_has_ended(self, house, running):
        house.kill()
        house.open()
        with pytest.raises(TimeoutError):
            running.wait(0.5)
        assert running.stop() == 7

    def test_from_an_event_loop(self, house):
        async def wait_in_vain():
            async with AsyncRuntime(Runtime(store=house.store)) as runtime:
                running = await runtime.start(Container("web", ["sleep", "600"]))
                house.kill()
                with pytest.raises(TimeoutError):
                    await running.wait(0.5)
                return await running.stop()

        house.open()
        assert asyncio.run(wait_in_vain()) == (143 if house.can_tell_after_the_fact() else None)

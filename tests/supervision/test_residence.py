"""The supervisor's process begins, ends and is killed, and containers go on with the next one."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from haconiwa_runtime import AsyncRuntime, Runtime, recorded
from haconiwa_runtime.client import connect
from haconiwa_supervision import Ready, Supervision

from haconiwa_core import Container
from haconiwa_core.errors import RecordError
from haconiwa_core.runtime.processes import status_of
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

REPORTER = """
import os, signal, sys, time
def got(number, frame):
    os.write(1, b"got %d\\n" % number)
    if number == signal.SIGTERM:
        sys.exit(7)
signal.signal(signal.SIGUSR1, got)
signal.signal(signal.SIGTERM, got)
os.write(1, b"here\\n")
while True:
    time.sleep(0.01)
"""


def can_tell_after_the_fact():
    """Whether the kernel tells how a process has ended that was reaped (Linux 6.15)."""
    child = subprocess.Popen(["sh", "-c", "exit 3"])
    pidfd = os.pidfd_open(child.pid)
    child.wait()
    status = status_of(pidfd)
    os.close(pidfd)
    return status == 3


def log_of(house, name):
    """Return what a container has written, by stream, as its log has it."""
    folder = house.store.directory / name
    files = sorted(folder.glob("stream.log*"), key=lambda path: -int(path.suffix[1:] if path.suffix != ".log" else 0))
    found = {"stdout": [], "stderr": []}
    for line in "".join(path.read_text() for path in files).splitlines():
        _, stream, tag, text = line.split(" ", 3)
        assert tag == "F"
        found[stream].append(text)
    return found


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

    known = can_tell_after_the_fact()
    statuses = {number: house.record(name).exit_status for number, name in names.items()}
    assert statuses == {number: 10 + number if known else None for number in names}
    for number, name in names.items():
        wanted = {3: [], 8: ["stderr"]}.get(number, ["stdout", "stderr"])
        for stream, lines in log_of(house, name).items() if wanted else ():
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
    def file(self, define, python):
        command = list(python(REPORTER))
        return define(f"web = Container('web', {command!r})\n@web.on('after_exit')\ndef over(c): pass\n")

    @pytest.fixture
    def client(self, house, file):
        house.open()
        client = house.command("run", "--rm", "--name", "web", file)
        assert client.stdout.readline() == "here\n"
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
        assert client.wait(30) == (7 if can_tell_after_the_fact() else 125)
        house.until(lambda: house.store.names() == [])

    def test_it_waits_for_one_supervisor_after_the_other(self, house, client):
        for _ in range(3):
            house.kill()
            house.open()
            time.sleep(0.3)
        assert client.poll() is None
        client.send_signal(signal.SIGTERM)
        assert client.wait(30) == (7 if can_tell_after_the_fact() else 125)
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
        assert running.stop() == (7 if can_tell_after_the_fact() else None)
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
        assert asyncio.run(wait_in_vain()) == (143 if can_tell_after_the_fact() else None)


def test_there_is_one_supervisor_at_a_time(house):
    house.open()
    second = house.run("supervise")
    assert second.returncode != 0
    assert "another supervisor" in second.stderr
    assert house.run("supervise", "--detach").returncode == 0
    assert house.process.poll() is None
    assert house.listens()


def test_a_socket_elsewhere_takes_the_place_of_nothing(house, tmp_path):
    """HACONIWA_SOCKET names a path: nobody who listens there is pushed aside, and no file is removed."""
    file, elsewhere = tmp_path / "file", tmp_path / "elsewhere"
    file.write_text("mine")
    for path, words in ((file, "no socket"), (elsewhere, "somebody listens")):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
            other.bind(str(elsewhere))
            other.listen()
            done = house.run("supervise", env={**house.environment, "HACONIWA_SOCKET": str(path)})
        assert done.returncode == 125
        assert words in done.stderr
        elsewhere.unlink()
    assert file.read_text() == "mine"

    house.open(env={**os.environ, "HACONIWA_SOCKET": str(elsewhere)})
    assert house.socket.is_symlink()
    assert stat.S_IMODE(elsewhere.lstat().st_mode) == 0o600
    (name,) = house.start(Container("box", ["sleep", "600"]))
    assert house.run("stop", "-t", "0", name).returncode == 0
    assert house.close() == 0
    assert not elsewhere.exists()
    house.open()
    assert house.socket.is_socket()
    assert not house.socket.is_symlink()


def test_many_first_clients_share_one_supervisor(house, define):
    file = define("web = Container('web', ['true'])\n@web.on('after_exit')\ndef over(c): pass\n")
    clients = [house.command("run", "--rm", file) for _ in range(6)]
    for client in clients:
        out, err = client.communicate(timeout=60)
        assert (client.returncode, out, err) == (0, "", "")
    house.until(lambda: house.processes() == [])
    assert not house.socket.exists()


def test_one_that_is_about_to_end_turns_nobody_away(house, define):
    """Clients come again and again at about the moment at which a supervisor ends since it was idle."""
    file = define("web = Container('web', ['true'])\n@web.on('after_exit')\ndef over(c): pass\n")
    for number in range(8):
        done = house.run("run", "--rm", file)
        assert (done.returncode, done.stderr) == (0, "")
        time.sleep(0.6 + 0.05 * number)


def test_a_termination_leaves_the_containers_running(house):
    house.open(stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    (name,) = house.start(Container("box", ["sleep", "600"]))
    first = house.first(name)
    assert house.close(signal.SIGTERM) == 0
    assert house.process.stdout.read() == ""
    house.process.stdout.close()
    assert house.is_alive(first)
    assert not house.socket.exists()
    house.open()
    assert house.ask("inspect", name=name)["status"] == "running"


def test_an_interruption_stops_them(house, define):
    """The clients that wait are told how."""
    file = define("""
box = Container("box", ["sleep", "600"], [Supervision(stop_signal="SIGINT")])
""")
    house.open(stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    client = house.command("run", "--name", "box", file)
    house.until(lambda: house.is_running("box"))
    names = house.start(*(Container(f"c{number}", ["sleep", "600"]) for number in range(3)))
    assert house.close(signal.SIGINT) == 0
    assert house.process.stdout.read() == ""
    house.process.stdout.close()
    out, err = client.communicate(timeout=30)
    assert (client.returncode, out, err) == (128 + signal.SIGINT, "", "")
    assert {house.record(name).exit_status for name in names} == {128 + signal.SIGTERM}


class TestWithoutHooks:
    """Containers that need no supervisor are kept by one that is there, and nobody notices."""

    def ran(self, house, *arguments, **how):
        done = house.run("run", *arguments, **how)
        return done.returncode, done.stdout, done.stderr

    @pytest.mark.parametrize(
        "script",
        ["echo out; echo err >&2; exit 3", "kill -9 $$", "cat; exit 0", "exec /nowhere/at-all"],
    )
    def test_in_the_foreground_it_is_the_same(self, house, script):
        def run():
            return self.ran(house, "--rm", "--", "sh", "-c", script, stdin=None, input=None)

        def ran():
            with house.command("run", "--rm", "--", "sh", "-c", script, stdin=subprocess.PIPE) as process:
                out, err = process.communicate("what is read\n", timeout=30)
            return process.returncode, out, err

        alone = ran()
        house.open()
        assert ran() == alone
        assert [event["event"] for event in house.events()].count("started") == 1
        assert house.store.names() == []

    @pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
    def test_signals_are_the_same(self, house, python, number):
        def ran():
            client = house.command("run", "--rm", "--", *python(REPORTER))
            assert client.stdout.readline() == "here\n"
            client.send_signal(number)
            assert client.stdout.readline() == f"got {number.value}\n"
            if number != signal.SIGTERM:
                client.send_signal(signal.SIGTERM)
            client.communicate(timeout=30)
            return client.returncode

        assert ran() == 7
        house.open()
        assert ran() == 7
        assert house.store.names() == []

    def test_in_the_background_it_is_kept(self, house):
        house.open()
        done = house.run("run", "-d", "--name", "box", "--", "sh", "-c", "echo hello; exit 5")
        assert (done.returncode, done.stdout, done.stderr) == (0, "box\n", "")
        house.until(lambda: house.record("box").status == "exited")
        assert house.record("box").exit_status == 5
        assert house.run("logs", "box").stdout == "hello\n"
        assert house.run("wait", "box").stdout == "5\n"
        assert house.record("box").supervisor.pid == house.process.pid

    def test_a_socket_that_nobody_listens_on_is_not_there(self, house):
        house.open()
        house.kill()
        assert house.socket.exists()
        assert self.ran(house, "--rm", "--", "echo", "hello") == (0, "hello\n", "")
        done = house.run("run", "-d", "--name", "box", "--", "sleep", "600")
        assert (done.returncode, done.stdout) == (0, "box\n")
        assert connect(house.socket) is None

    def test_a_definition_that_is_wrong_is_refused_in_the_same_words(self, house, tmp_path):
        alone = self.ran(house, "--", "/nowhere/at-all")
        house.open()
        assert self.ran(house, "--", "/nowhere/at-all")[0] == alone[0]
        assert house.store.names() == []


def test_damaged_state_of_one_container_does_not_touch_the_others(house):
    house.open()
    names = house.start(*(Container(f"c{number}", ["sleep", "600"]) for number in range(4)))
    house.kill()
    (house.store.directory / names[0] / "supervision.json").write_text('{"version": 1, "hooks": []}')
    (house.store.directory / names[1] / "supervision.json").write_bytes(b"\xff\0garbage")
    state = house.store.directory / names[2] / "supervision.json"
    state.write_text(state.read_text().replace('"sleep"', "7"))
    house.open()
    # Who cannot be started any more can still be kept.
    for name in names[2:]:
        assert house.ask("inspect", name=name)["status"] == "running"
    for name in names[:2]:
        with pytest.raises(RecordError):
            house.ask("inspect", name=name)
        recorded.remove(house.store, name, force=True)
    assert [name for name in names if any(event["event"] == "fault" for event in house.events(name))] == names[:3]
    assert house.close() == 0


def test_what_it_needs_for_itself_its_containers_do_not_get(house, define, tmp_path):
    """It raises its limit of open files; a container, or a hook, has the one that it was started with."""
    limits = (512, 4096)
    house.open(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits))
    assert resource.prlimit(house.process.pid, resource.RLIMIT_NOFILE) == (4096, 4096)
    file = define(f"""
import resource
web = Container("web", ["sleep", "600"])
@web.on("after_start")
def tell(c):
    open({str(tmp_path / "told")!r}, "w").write(str(resource.getrlimit(resource.RLIMIT_NOFILE)))
""")
    assert house.run("run", "-d", "--name", "web", file).returncode == 0
    assert resource.prlimit(house.first("web").pid, resource.RLIMIT_NOFILE) == limits
    house.until(lambda: (tmp_path / "told").exists() and (tmp_path / "told").read_text() == str(limits))


def test_the_folder_must_be_closed_to_others(house):
    house.store.directory.mkdir(mode=0o755)
    done = house.run("supervise")
    assert done.returncode != 0
    assert "must be a directory that only its owner" in done.stderr
    house.store.directory.chmod(0o700)


def test_files_of_the_supervisor_are_its_owner_s_alone(house):
    umask = os.umask(0)
    try:
        house.open()
        (name,) = house.start(Container("box", ["sleep", "600"]))
    finally:
        os.umask(umask)
    for path in [house.own, *house.own.iterdir(), *(house.store.directory / name).iterdir()]:
        assert path.is_symlink() or path.lstat().st_mode & 0o077 == 0, path


SERVICE = """
import os, sys
os.dup2(int(sys.argv[1]), 3, inheritable=True)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, "-m", "haconiwa_core", *sys.argv[2:]])
"""


class TestService:
    """What systemd would do."""

    @pytest.fixture
    def manager(self, tmp_path):
        """The socket of a service manager."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
            bound.bind(str(tmp_path / "told"))
            bound.settimeout(30)
            yield bound

    def activated(self, house, listening, **environment):
        """Start a supervisor that is given a socket as descriptor 3."""
        given = listening.fileno()
        options = ["supervise"]
        house.process = subprocess.Popen(
            [sys.executable, "-c", SERVICE, str(given), *options],
            env={**house.environment, "LISTEN_FDS": "1", **environment},
            pass_fds=[given],
            stderr=subprocess.PIPE,
            text=True,
        )
        return house.process

    def test_it_is_told_of_beginning_and_end(self, house, manager):
        house.open(env={**os.environ, "NOTIFY_SOCKET": manager.getsockname()})
        assert manager.recv(100) == b"READY=1"
        (name,) = house.start(Container("box", ["sh", "-c", 'echo "${NOTIFY_SOCKET-none}"; sleep 600']))
        house.until(lambda: log_of(house, name)["stdout"])
        assert log_of(house, name)["stdout"] == ["none"]
        environment = Path(f"/proc/{house.process.pid}/environ").read_bytes()
        assert manager.getsockname().encode() in environment  # As it was executed; what it forks is told nothing.
        house.close()
        assert manager.recv(100) == b"STOPPING=1"

    def test_a_manager_that_does_not_listen_ends_nothing(self, house):
        house.open(env={**os.environ, "NOTIFY_SOCKET": str(house.folder / "nobody")}, stderr=subprocess.PIPE)
        (name,) = house.start(Container("box", ["sleep", "600"]))
        assert house.close() == 0
        assert "service manager" in house.process.stderr.read()
        house.process.stderr.close()
        assert house.is_alive(house.first(name))

    def test_it_takes_a_socket_that_waits_already(self, house):
        house.store.directory.mkdir(0o700)
        elsewhere = house.folder / "listens.here"
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
            listening.bind(str(elsewhere))
            elsewhere.chmod(0o600)
            listening.listen()
            self.activated(house, listening)
            house.until(house.listens)
            (name,) = house.start(Container("box", ["sleep", "600"]))
            assert house.run("inspect", name).returncode == 0
            assert house.ask("inspect", name=name)["status"] == "running"
            assert house.close() == 0
            house.process.stderr.close()
            # It is the manager's: who connects now waits for the next one.
            with house.connected():
                assert elsewhere.exists()
            self.activated(house, listening)
            house.until(house.listens)
            assert house.ask("inspect", name=name)["status"] == "running"
            house.ask("stop", name=name, timeout=0)
            assert house.close() == 0
            house.process.stderr.close()

    @pytest.mark.parametrize("wrong", ["mode", "abstract", "stream", "tcp", "not listening", "two"])
    def test_no_other_socket_will_do(self, house, tmp_path, wrong):
        house.store.directory.mkdir(0o700)
        family = socket.AF_INET if wrong == "tcp" else socket.AF_UNIX
        kind = socket.SOCK_STREAM if wrong in ("stream", "tcp") else socket.SOCK_SEQPACKET
        path = tmp_path / "given"
        address = {"abstract": f"\0haconiwa-test-{os.getpid()}", "tcp": ("127.0.0.1", 0)}.get(wrong, str(path))
        with socket.socket(family, kind) as listening:
            listening.bind(address)
            if path.exists():
                path.chmod(0o666 if wrong == "mode" else 0o600)
            if wrong != "not listening":
                listening.listen()
            process = self.activated(house, listening, **({"LISTEN_FDS": "2"} if wrong == "two" else {}))
            _, err = process.communicate(timeout=30)
        assert process.returncode == 125
        assert ".socket unit" in err or "ListenSequentialPacket=" in err

    def test_systemd_understands_the_units(self, tmp_path):
        units = Path(__file__).parents[2] / "contrib" / "haconiwa-supervision" / "systemd"
        if not units.is_dir():
            pytest.skip("needs the source tree: its units are not installed")
        if not shutil.which("systemd-analyze"):
            pytest.skip("needs systemd-analyze")
        documented = (units.parents[2] / "docs" / "supervision.md").read_text()
        for unit in units.iterdir():
            assert unit.read_text() in documented
            # The program must be there.
            (tmp_path / unit.name).write_text(unit.read_text().replace("/usr/local/bin/haconiwa", sys.executable))
        command = ["systemd-analyze", "verify", "--man=no", *map(str, tmp_path.glob("haconiwa.*"))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    def test_a_socket_for_another_process_is_not_taken(self, house):
        house.open(env={**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())})
        assert house.listens()
        assert house.socket.is_socket()

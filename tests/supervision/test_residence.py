"""The supervisor's process begins and ends: one for a state directory, with files and a socket of its owner's alone."""

from __future__ import annotations

import os
import resource
import signal
import socket
import stat
import subprocess
import time

import pytest
from haconiwa_runtime import recorded
from haconiwa_runtime.client import connect

from haconiwa_core import Container
from haconiwa_core.errors import RecordError


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
    def test_signals_are_the_same(self, house, reporter, number):
        def ran():
            client = house.command("run", "--rm", "--", *reporter)
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

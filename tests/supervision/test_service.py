"""The supervisor as a service of systemd: sd_notify(3), socket activation, the unit files."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from haconiwa_core import Container

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
        house.until(lambda: house.log_of(name)["stdout"])
        assert house.log_of(name)["stdout"] == ["none"]
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
        documented = (units.parents[2] / "docs" / "reference" / "supervision.md").read_text()
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

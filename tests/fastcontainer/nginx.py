"""The real nginx, in front of a front, as a process of the test's."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from fastcontainer.fronts import PATIENCE, Front, free_port, until

IN_THE_HOSTS_NETWORK = "[ns-pid]\n"


def nginx_for(front: Front) -> Nginx:
    """Return nginx with the configuration that is printed for the services of a front, which is started with it."""
    if shutil.which("nginx", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("nginx is not installed")
    return Nginx(front)


class Nginx:
    """nginx and the front behind it; a context manager that starts and ends both.

    Args:
        front: with its definitions.
    """

    def __init__(self, front: Front) -> None:
        self.front = front
        self.port = free_port()
        self.folder = front.folder / "nginx"
        self._endpoint = f"127.0.0.1:{free_port()}"
        self._process: subprocess.Popen[bytes] | None = None

    def configuration(self) -> str:
        """Return what `nginx-config` prints."""
        arguments = ["--nginx", self._endpoint, "--listen", f"127.0.0.1:{self.port}", "--cache", f"{self.folder}/cache"]
        return self.front.haconiwa("fastcontainer", "nginx-config", *self.front.files, *arguments)

    def write(self) -> Path:
        """Write the configuration, and return its file."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "services.conf").write_text(self.configuration())
        temporary = "".join(
            f"{kind}_temp_path {self.folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        file = self.folder / "nginx.conf"
        file.write_text(
            f"user root; daemon off; worker_processes 1; pid {self.folder}/pid; error_log {self.folder}/errors;\n"
            f"events {{ worker_connections 2048; }}\nhttp {{ access_log off;\n{temporary}include services.conf; }}\n"
        )
        return file

    def __enter__(self) -> Nginx:
        self.front.arguments += ["--nginx", self._endpoint]
        self.front.start()
        self._process = subprocess.Popen(["/usr/sbin/nginx", "-c", str(self.write()), "-p", str(self.folder)])
        until(self._listens, "that nginx listens")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(PATIENCE)
        self.front.stop()

    def _listens(self) -> bool:
        assert self._process.poll() is None, "nginx has ended"
        with socket.socket() as asked:
            return asked.connect_ex(("127.0.0.1", self.port)) == 0

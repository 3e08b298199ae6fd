"""An ordinary user's services: the front enters their network namespaces through their user namespaces."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time

from rootless.conftest import HOME, PYTHON, SETPRIV, UID, VARIABLES, Run, output

SERVICE = """
command = ["/usr/bin/python3", "-m", "http.server", "--bind", "127.0.0.1", "8000"]
[ns-user]
[ns-net]
[ns-pid]
[supervision]
stop_timeout = 0.1
[fastcontainer]
hosts = ["web.test"]
idle = 1
"""
_PATIENCE = 60.0


def ask(port: int) -> tuple[int, str | None]:
    """Return the status of an answer, and whether it says that it has waited for a start."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    connection.request("GET", "/", headers={"Host": "web.test", "Connection": "close"})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, response.headers["X-Haconiwa-Cold-Start"]


def test_requests_start_it_and_it_ends_when_idle(user: Run) -> None:
    (HOME / "web.toml").write_text(SERVICE)
    os.chown(HOME / "web.toml", UID, UID)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    drop = [SETPRIV, f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
    serve = [PYTHON, "-m", "haconiwa_core", "fastcontainer", "serve", HOME / "web.toml", "--http", f"127.0.0.1:{port}"]
    with subprocess.Popen([*drop, *serve], env=VARIABLES, cwd=HOME, stdout=subprocess.PIPE) as front:
        try:
            assert json.loads(front.stdout.readline())["event"] == "serving"
            assert ask(port) == (200, "1")
            assert ask(port) == (200, None)
            deadline = time.monotonic() + _PATIENCE
            while output(user("ps", "--quiet")):
                assert time.monotonic() < deadline, "it does not end"
                time.sleep(0.1)
        finally:
            front.send_signal(signal.SIGTERM)
        assert front.wait(_PATIENCE) == 0

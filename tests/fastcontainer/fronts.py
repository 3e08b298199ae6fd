"""A front as a process, with definitions and a state directory of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

PYTHON = "/usr/bin/python3"
PATIENCE = 30.0


def free_port() -> int:
    """Return a TCP port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as asked:
        return asked.getsockname()[1]


def until(seen: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Wait until something is seen, and return it."""
    deadline = time.monotonic() + patience
    while not (found := seen()):
        assert time.monotonic() < deadline, f"not within {patience:g} s: {what}"
        time.sleep(0.01)
    return found


class Front:
    """`haconiwa fastcontainer serve`.

    Args:
        folder: of the definitions, the state and the output; its own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.files: list[str] = []
        self.arguments: list[str] = []
        self.prefix: list[str] = []
        self.pass_fds: tuple[int, ...] = ()
        self.environment = {**os.environ, "HACONIWA_STATE": str(folder / "state")}
        self.process: subprocess.Popen[bytes] | None = None

    def write(self, name: str, program: str, options: str, rest: str = "[ns-net]\n[ns-pid]\n") -> None:
        """Write the definition of a service: a Python program that listens on $PORT.

        Args:
            name: of the service.
            program: its text.
            options: lines of the section `fastcontainer`.
            rest: other sections.
        """
        script = self.folder / f"{name}.py"
        script.write_text(textwrap.dedent(program))
        command = json.dumps([PYTHON, "-u", str(script)])
        file = self.folder / f"{name}.toml"
        file.write_text(f"command = {command}\n[fastcontainer]\n{textwrap.dedent(options)}\n{rest}")
        if str(file) not in self.files:
            self.files.append(str(file))

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [*self.prefix, sys.executable, "-m", "haconiwa_core", "fastcontainer", "serve", *self.files]
        command += ["--http", f"127.0.0.1:{self.port}", *self.arguments]
        before = len(list(self.events("serving")))
        with open(self.folder / "events", "ab") as out, open(self.folder / "errors", "ab") as errors:
            how = {"env": self.environment, "cwd": self.folder, "pass_fds": self.pass_fds}
            self.process = subprocess.Popen(command, stdout=out, stderr=errors, **how)

        def serves() -> bool:
            return self.process.poll() is not None or len(list(self.events("serving"))) > before

        until(serves, "that the front serves")
        assert self.process.poll() is None, self.errors

    def stop(self) -> None:
        """End it; its containers stay."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(PATIENCE) == 0, self.errors

    def kill(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()

    @property
    def errors(self) -> str:
        """What it has written to its standard error."""
        return (self.folder / "errors").read_text()

    def events(self, *kinds: str) -> Iterator[Mapping[str, Any]]:
        """Yield what it has told so far."""
        events = self.folder / "events"
        for line in events.read_text().splitlines() if events.exists() else ():
            event = json.loads(line)
            if event["event"] in kinds or not kinds:
                yield event

    def haconiwa(self, *arguments: str) -> str:
        """Run another command on its state directory, and return what it prints."""
        command = [sys.executable, "-m", "haconiwa_core", *arguments]
        done = subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True)
        return done.stdout + done.stderr

    def containers(self) -> list[str]:
        """Return the names of the containers that run."""
        return [
            each["name"] for each in json.loads(self.haconiwa("ps", "--format", "json")) if each["state"] == "running"
        ]

    def close(self) -> None:
        """End it and its containers."""
        if self.process and self.process.poll() is None:
            self.kill()
        names = [each["name"] for each in json.loads(self.haconiwa("ps", "--all", "--format", "json"))]
        for name in names:
            subprocess.run(
                [sys.executable, "-m", "haconiwa_core", "rm", "--force", name],
                env=self.environment,
                check=False,
                capture_output=True,
            )


ECHO = """
    import os, signal, socket, threading
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    listening = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=512)
    def serve(connection):
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)
    while True:
        threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
"""
"""A service that sends back what it gets."""

HELLO = """
    import os, signal, time
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def do_GET(self):
            if self.path.startswith("/slow"):
                time.sleep(1)
            body = f"hello from {os.uname().nodename} {os.environ.get('HACONIWA_NAME', '')} {self.path}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *_):
            pass
    class Server(ThreadingHTTPServer):
        request_queue_size = 512
    Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
"""A web service."""

"""Servers that a benchmark asks, and services of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

_SERVER = """
import os, signal, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(float(sys.argv[1]))
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\\n")
    def log_message(self, *_):
        pass
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

_SERVER_IN_C = r"""
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
static void end(int number) { (void)number; _exit(0); }
int main(void) {
    struct sockaddr_in address = {AF_INET, htons(atoi(getenv("PORT"))), {htonl(INADDR_LOOPBACK)}, {0}};
    int here = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    char request[65536];
    signal(SIGTERM, end);
    setsockopt(here, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(here, (void *)&address, sizeof address) || listen(here, 128)) return 1;
    for (;;) {
        int client = accept(here, 0, 0);
        if (read(client, request, sizeof request) > 0 && write(client, answer, sizeof answer - 1) < 0) return 1;
        close(client);
    }
}
"""

_MANY = """
from haconiwa_cgroup import Cgroup
from haconiwa_core import Container
from haconiwa_fastcontainer import FastContainer
from haconiwa_ns_net import NetNamespace
from haconiwa_ns_pid import PidNamespace

containers = [
    Container(
        f"{name}{{number}}",
        command={command!r},
        features=[
            NetNamespace(),
            PidNamespace(),
            *[Cgroup(memory="64M")][:{warm}],
            FastContainer(hosts=[f"{name}{{number}}.example"], idle={idle}, warm={warm}),
        ],
    )
    for number in range({count})
]
"""

_SLOW = """
command = ["/usr/bin/python3", "-S", "{server}", "0.05"]
[ns-net]
[ns-pid]
[fastcontainer]
hosts = ["slow.example"]
concurrency = 4
most = 8
"""


def server_in_python(folder: Path) -> list[str]:
    """Return the command of a server that answers at once."""
    script = folder / "server.py"
    script.write_text(_SERVER)
    return ["/usr/bin/python3", "-S", str(script), "0"]


def server_in_c(folder: Path) -> list[str]:
    """Return the command of a static one, which starts in a fraction of a millisecond."""
    source, made = folder / "server.c", folder / "server"
    source.write_text(_SERVER_IN_C)
    subprocess.run(["gcc", "-O2", "-static", "-o", made, source], check=True)
    return [str(made)]


def slow_service(folder: Path) -> Path:
    """Return the file of a service that needs 50 ms for each answer."""
    file = folder / "slow.toml"
    file.write_text(_SLOW.format(server=server_in_python(folder)[2]))
    return file


def services(folder: Path, name: str, command: list[str], count: int, idle: float, warm: int = 0) -> Path:
    """Return the file of so many services of a command, which are called NAME0, NAME1 and so on."""
    file = folder / f"{name}.py"
    file.write_text(_MANY.format(name=name, command=command, count=count, idle=idle, warm=warm))
    return file

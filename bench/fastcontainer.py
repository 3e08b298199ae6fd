"""Services that live by requests: what the first request costs, what each later one does, and many of them.

    python bench/fastcontainer.py [SERVICES [SECONDS]]

Starts fronts of its own on a state directory in /dev/shm. In one run are measured:

- first requests to a Python server, and first requests to the same server that is started alone, in turn;
- an nginx that answers with a line, asked with wrk for five times so many seconds: through another nginx, (a) as an
  instance behind the embedded front, and (b) as one behind an nginx that asks for instances;
- a service of 50 ms that is asked twenty times as often from one moment to the next, until nobody waits any more;
- so many services of which 50 are asked at a time.

Needs root, nginx, wrk, and the ports 8070 to 8075 of 127.0.0.1, or `unshare --net` with its loopback up.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HTTP, ENDPOINT, NGINX, PLAIN, KEEPING, BACKEND = range(8070, 8076)
FIRST = 20
ALIVE, LAPS = 50, 3
CALM, BURST, LASTS = 10, 200, 3.0
"""Requests per second, and seconds of each."""
CONNECTIONS, ROUNDS = 32, 5

SERVER = """
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

MANY = """
from haconiwa_core import Container
from haconiwa_fastcontainer import FastContainer
from haconiwa_ns_net import NetNamespace
from haconiwa_ns_pid import PidNamespace

containers = [
    Container(
        f"s{{number}}",
        command=["/usr/bin/python3", "-S", {server!r}, "0"],
        features=[NetNamespace(), PidNamespace(), FastContainer(hosts=[f"s{{number}}.example"], idle={idle})],
    )
    for number in range({count})
]
"""

LINE = """
daemon off; master_process off; pid {folder}/{port}.pid; error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 1000000;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "ok\\n"; }} }}
}}
"""

SLOW = """
command = ["/usr/bin/python3", "-S", "{folder}/server.py", "0.05"]
[ns-net]
[ns-pid]
[fastcontainer]
hosts = ["slow.example"]
concurrency = 4
most = 8
"""

SHARED = """
name = "line"
command = ["sh", "-c", "cd {folder}; sed s/@PORT@/$PORT/g line.conf >$PORT; exec nginx -e stderr -c $PWD/$PORT"]
[ns-pid]
[fastcontainer]
hosts = ["line.example"]
port = 0
"""

FRONT = """
daemon off; pid {folder}/{name}.pid; error_log stderr; worker_processes 1; user root;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000; {rest} }}
"""

PASS = """
upstream kept {{ server 127.0.0.1:{backend}; keepalive 64; }}
server {{
    listen 127.0.0.1:{plain};
    location / {{ proxy_set_header Host $http_host; proxy_pass http://127.0.0.1:{backend}; }}
}}
server {{
    listen 127.0.0.1:{keeping};
    location / {{
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_pass http://kept;
    }}
}}
"""


def main(count: int, seconds: float) -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        (folder / "server.py").write_text(SERVER)
        for measure in (_first(folder), _warm(folder, seconds), _burst(folder), _many(folder, count)):
            for what, value in measure:
                print(f"{what:56} {value}", flush=True)


def _first(folder: Path) -> Iterator[tuple[str, str]]:
    file = _services(folder, FIRST + 1, idle=60)
    with _front(folder, str(file)) as events:
        # The first one of all begins with the start of the supervisor.
        _ask("s0.example")
        first, alone = [], []
        for number in range(1, FIRST + 1):
            first.append(_ask(f"s{number}.example")[0])
            alone.append(_alone(folder))
        started = [event for event in events() if event["event"] == "started"][1:]
    added = [whole - own for whole, own in zip(first, alone, strict=True)]
    yield "first request, median", _ms(statistics.median(first))
    yield "the same server alone, from fork to its first answer", _ms(statistics.median(alone))
    yield "added to that: median, most", f"{_ms(statistics.median(added))}, {_ms(max(added))}"
    yield "of which until the command is executed", _ms(statistics.median(event["start"] for event in started))


def _alone(folder: Path) -> float:
    """Return for how long a server that nobody contains is waited for, and asked."""
    environment = {**os.environ, "PORT": str(BACKEND)}
    began = time.perf_counter()
    process = subprocess.Popen(["/usr/bin/python3", "-S", str(folder / "server.py"), "0"], env=environment)
    try:
        while True:
            try:
                _ask("alone", BACKEND)
            except ConnectionRefusedError:
                time.sleep(0.0003)
            else:
                return time.perf_counter() - began
    finally:
        process.terminate()
        process.wait()


def _warm(folder: Path, seconds: float) -> Iterator[tuple[str, str]]:
    (folder / "line.conf").write_text(LINE.format(folder=folder, port="@PORT@"))
    (folder / f"{BACKEND}.conf").write_text(LINE.format(folder=folder, port=BACKEND))
    shared = folder / "line.toml"
    shared.write_text(SHARED.format(folder=folder))
    plain = FRONT.format(folder=folder, name="plain", rest=PASS.format(backend=BACKEND, plain=PLAIN, keeping=KEEPING))
    (folder / "plain.conf").write_text(plain)
    with _front(folder, str(shared), "--nginx", f"127.0.0.1:{ENDPOINT}"):
        words = ["--nginx", f"127.0.0.1:{ENDPOINT}", "--listen", f"127.0.0.1:{NGINX}", "--cache", f"{folder}/cache"]
        config = _haconiwa(folder, "fastcontainer", "nginx-config", str(shared), *words)
        (folder / "asking.conf").write_text(FRONT.format(folder=folder, name="asking", rest=config))
        with _nginx(folder, str(BACKEND)), _nginx(folder, "plain"), _nginx(folder, "asking"):
            ways = {"nginx": PLAIN, "nginx, connections kept": KEEPING, "(a)": HTTP, "(b)": NGINX}
            found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
            _ask("line.example")
            for _ in range(ROUNDS):
                for way, port in ways.items():
                    found[way].append(_wrk(port, seconds))
    for way, told in found.items():
        rate, p99 = (statistics.median(values) for values in zip(*told, strict=True))
        # Of one round each: what else this machine does changes with time.
        times = statistics.median(each[0] / base[0] for each, base in zip(told, found["nginx"], strict=True))
        yield f"{way}: requests per second, 99th percentile", f"{rate:.0f}, {p99:.1f} ms: {times:.2f}x"


def _burst(folder: Path) -> Iterator[tuple[str, str]]:
    file = folder / "slow.toml"
    file.write_text(SLOW.format(folder=folder))
    due = [number / CALM for number in range(int(LASTS * CALM))]
    due += [LASTS + number / BURST for number in range(int(LASTS * BURST))]
    with _front(folder, str(file)) as events, ThreadPoolExecutor(256) as threads:
        _ask("slow.example")
        began = time.perf_counter()
        asked = []
        for at in due:
            time.sleep(max(0.0, began + at - time.perf_counter()))
            asked.append(threads.submit(_ask, "slow.example"))
        seconds = [each.result()[0] for each in asked]
        started = sum(event["event"] == "started" for event in events())
    calm = _p99([value for at, value in zip(due, seconds, strict=True) if 1 < at < LASTS])
    waited = [at + value for at, value in zip(due, seconds, strict=True) if at >= LASTS and value > 1.5 * calm]
    until = max(waited, default=LASTS) - LASTS
    yield f"from {CALM} to {BURST} requests per second: somebody waits for", f"{_ms(until)}, {started} instances then"
    yield "longest answer meanwhile, and one before", f"{_ms(max(seconds))}, {_ms(calm)}"


def _many(folder: Path, count: int) -> Iterator[tuple[str, str]]:
    file = _services(folder, count, idle=5)
    began = time.perf_counter()
    with _front(folder, str(file)):
        yield f"a front with {count} services serves after", f"{time.perf_counter() - began:.2f} s"
        empty = _memory(folder)
        warm: list[float] = []
        cold: list[float] = []
        most = 0
        for first in range(0, min(count, 4 * ALIVE), ALIVE):
            for _ in range(LAPS):
                for number in range(first, min(first + ALIVE, count)):
                    seconds, is_cold = _ask(f"s{number}.example")
                    (cold if is_cold else warm).append(seconds)
            most = max(most, _memory(folder))
    yield f"{ALIVE} of them at a time: first requests, median", _ms(statistics.median(cold))
    yield "later requests: median, 99th percentile", f"{_ms(statistics.median(warm))}, {_ms(_p99(warm))}"
    yield "memory of front and supervisor: empty, most", f"{empty / 1024:.0f} MiB, {most / 1024:.0f} MiB (PSS)"


def _services(folder: Path, count: int, idle: float) -> Path:
    file = folder / "many.py"
    file.write_text(MANY.format(server=str(folder / "server.py"), count=count, idle=idle))
    return file


@contextmanager
def _front(folder: Path, *words: str) -> Iterator[Any]:
    """Give a function that returns what a front has told; it is ended with its containers."""
    told = folder / "events"
    command = ["haconiwa", "fastcontainer", "serve", *words, "--http", f"127.0.0.1:{HTTP}"]
    with told.open("wb") as out:
        process = subprocess.Popen(command, env=_environment(folder), stdout=out)

    def events() -> list[Mapping[str, Any]]:
        return [json.loads(line) for line in told.read_text().splitlines()]

    try:
        while not any(event["event"] == "serving" for event in events()):
            time.sleep(0.01)
        yield events
    finally:
        process.terminate()
        process.wait()
        names = [each["name"] for each in json.loads(_haconiwa(folder, "ps", "--all", "--format", "json"))]
        if names:
            _haconiwa(folder, "rm", "--force", *names)
        shutil.rmtree(folder / "state" / ".fastcontainer")


@contextmanager
def _nginx(folder: Path, name: str) -> Iterator[None]:
    process = subprocess.Popen(["nginx", "-e", "stderr", "-c", str(folder / f"{name}.conf"), "-p", str(folder)])
    time.sleep(0.5)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _ask(host: str, port: int = HTTP) -> tuple[float, bool]:
    """Return for how long one request waited for its answer, and whether for a start."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/", headers={"Host": host, "Connection": "close"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != 200:
        raise ValueError(f"{host} has answered {answer.status}")
    return time.perf_counter() - began, answer.headers["X-Haconiwa-Cold-Start"] == "1"


def _wrk(port: int, seconds: float) -> tuple[float, float]:
    """Return requests per second, and the 99th percentile of their time, in milliseconds."""
    command = ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds:g}s", "--latency", "-H", "Host: line.example"]
    done = subprocess.run([*command, f"http://127.0.0.1:{port}/"], check=True, capture_output=True, text=True)
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise ValueError(done.stdout)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)
    assert rate
    assert p99
    return float(rate[1]), float(p99[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[p99[2]]


def _haconiwa(folder: Path, *words: str) -> str:
    done = subprocess.run(["haconiwa", *words], env=_environment(folder), check=True, capture_output=True, text=True)
    return done.stdout


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "HACONIWA_STATE": str(folder / "state")}


def _memory(folder: Path) -> int:
    """Return KiB (PSS, proc_pid_smaps(5)) of all Python processes of a front and its supervisor."""
    state, whole = os.fsencode(folder / "state"), 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            if state in told and os.path.samefile(process / "exe", "/proc/self/exe"):
                text = (process / "smaps_rollup").read_text()
                whole += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return whole


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, float(sys.argv[2]) if len(sys.argv) > 2 else 5)

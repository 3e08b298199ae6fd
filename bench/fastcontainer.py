"""Services that live by requests: what the first request costs, what each later one does, and many of them.

    python bench/fastcontainer.py [SERVICES [SECONDS]]

Starts fronts of its own on a state directory in /dev/shm. In one run are measured:

- first requests to a server in C and to one in Python: to none yet, to one that is frozen, and to the same server that
  is started alone, in turn;
- an nginx that answers with a line, asked with wrk for five times so many seconds: through another nginx, (a) as an
  instance behind the embedded front, and (b) as one behind an nginx that asks for instances;
- a service of 50 ms that is asked twenty times as often from one moment to the next, until nobody waits any more;
- so many services of which 50 are asked at a time;
- 500 requests, each at about the time at which the only instance is idle for long enough to be stopped.

Needs root, gcc, nginx, wrk, and the ports 8070 to 8075 of 127.0.0.1, or `unshare --net` with its loopback up.
"""

from __future__ import annotations

import http.client
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from fronts import HTTP, ask, front, haconiwa, memory
from services import server_in_c, server_in_python, services, slow_service

ENDPOINT, NGINX, PLAIN, KEEPING, BACKEND = range(8071, 8076)
FIRST = 20
ALIVE, LAPS = 50, 3
CALM, BURST, LASTS = 10, 200, 3.0
"""Requests per second, and seconds of each."""
CONNECTIONS, ROUNDS = 32, 5
RACES, CLIENTS = 500, 10

LINE = """
daemon off; master_process off; pid {folder}/{port}.pid; error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 1000000;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "ok\\n"; }} }}
}}
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
        for measure in (_first(folder), _warm(folder, seconds), _burst(folder), _many(folder, count), _race(folder)):
            for what, value in measure:
                print(f"{what:56} {value}", flush=True)


def _first(folder: Path) -> Iterator[tuple[str, str]]:
    for kind, command in (("C", server_in_c(folder)), ("Python", server_in_python(folder))):
        yield from _first_of(folder, kind, command)


def _first_of(folder: Path, kind: str, command: list[str]) -> Iterator[tuple[str, str]]:
    none = services(folder, "none", command, FIRST + 1, idle=60)
    frozen = services(folder, "frozen", command, FIRST + 1, idle=60, warm=1)
    ways: dict[str, Callable[[int], float]] = {
        "nothing runs": lambda number: ask(f"none{number}.example")[0],
        "one is frozen": lambda number: ask(f"frozen{number}.example")[0],
        "alone": lambda _: _alone(command),
    }
    found: dict[str, list[float]] = {way: [] for way in ways}
    with front(folder, str(none), str(frozen)) as events:
        while sum(event["event"] == "warm" for event in events()) <= FIRST:
            time.sleep(0.1)
        # The first ones of all begin with what is made once.
        for number in range(FIRST + 1):
            for way in random.sample(list(ways), len(ways)):
                seconds = ways[way](number)
                if number:
                    found[way].append(seconds)
        told = [event for event in events() if event["event"] == "started" and event["service"].startswith("none")]
    alone = found.pop("alone")
    yield f"{kind}: alone, from fork to its first answer, median", _ms(statistics.median(alone))
    for way, times in found.items():
        added = [whole - own for whole, own in zip(times, alone, strict=True)]
        yield f"{kind}: first request, {way}: median", _ms(statistics.median(times))
        yield "  added to that alone: median, most", f"{_ms(statistics.median(added))}, {_ms(max(added))}"
    yield "  of which until the command is executed, median", _ms(statistics.median(e["start"] for e in told[1:]))


def _alone(command: Sequence[str]) -> float:
    """Return for how long a server that nobody contains is waited for, and asked."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, "PORT": str(BACKEND)})
    try:
        while True:
            try:
                ask("alone", BACKEND)
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
    with front(folder, str(shared), "--nginx", f"127.0.0.1:{ENDPOINT}"):
        words = ["--nginx", f"127.0.0.1:{ENDPOINT}", "--listen", f"127.0.0.1:{NGINX}", "--cache", f"{folder}/cache"]
        config = haconiwa(folder, "fastcontainer", "nginx-config", str(shared), *words)
        (folder / "asking.conf").write_text(FRONT.format(folder=folder, name="asking", rest=config))
        with _nginx(folder, str(BACKEND)), _nginx(folder, "plain"), _nginx(folder, "asking"):
            ways = {"nginx": PLAIN, "nginx, connections kept": KEEPING, "(a)": HTTP, "(b)": NGINX}
            found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
            ask("line.example")
            for _ in range(ROUNDS):
                for way, port in ways.items():
                    found[way].append(_wrk(port, seconds))
    for way, told in found.items():
        rate, p99 = (statistics.median(values) for values in zip(*told, strict=True))
        # Of one round each: what else this machine does changes with time.
        times = statistics.median(each[0] / base[0] for each, base in zip(told, found["nginx"], strict=True))
        yield f"{way}: requests per second, 99th percentile", f"{rate:.0f}, {p99:.1f} ms: {times:.2f}x"


def _burst(folder: Path) -> Iterator[tuple[str, str]]:
    file = slow_service(folder)
    due = [number / CALM for number in range(int(LASTS * CALM))]
    due += [LASTS + number / BURST for number in range(int(LASTS * BURST))]
    with front(folder, str(file)) as events, ThreadPoolExecutor(256) as threads:
        ask("slow.example")
        began = time.perf_counter()
        asked = []
        for at in due:
            time.sleep(max(0.0, began + at - time.perf_counter()))
            asked.append(threads.submit(ask, "slow.example"))
        seconds = [each.result()[0] for each in asked]
        started = sum(event["event"] == "started" for event in events())
    calm = _p99([value for at, value in zip(due, seconds, strict=True) if 1 < at < LASTS])
    waited = [at + value for at, value in zip(due, seconds, strict=True) if at >= LASTS and value > 1.5 * calm]
    until = max(waited, default=LASTS) - LASTS
    yield f"from {CALM} to {BURST} requests per second: somebody waits for", f"{_ms(until)}, {started} instances then"
    yield "longest answer meanwhile, and one before", f"{_ms(max(seconds))}, {_ms(calm)}"


def _many(folder: Path, count: int) -> Iterator[tuple[str, str]]:
    file = services(folder, "s", server_in_python(folder), count, idle=5)
    began = time.perf_counter()
    warm: list[float] = []
    cold: list[float] = []
    most, alive = {"": 0}, 0
    with front(folder, str(file)) as events:
        yield f"a front with {count} services serves after", f"{time.perf_counter() - began:.2f} s"
        # The first one of all begins with the start of the supervisor.
        ask("s0.example")
        one = memory(folder)
        for first in range(0, min(count, 4 * ALIVE), ALIVE):
            for _ in range(LAPS):
                for number in range(first, min(first + ALIVE, count)):
                    seconds, is_cold = ask(f"s{number}.example")
                    (cold if is_cold else warm).append(seconds)
            present = memory(folder)
            if sum(present.values()) > sum(most.values()):
                told = [event["event"] for event in events()]
                most, alive = present, told.count("started") - told.count("ended")
    yield f"{ALIVE} of them at a time: first requests, median", _ms(statistics.median(cold))
    yield "later requests: median, 99th percentile", f"{_ms(statistics.median(warm))}, {_ms(_p99(warm))}"
    yield "first and later ones: 99th percentile", _ms(_p99(cold + warm))
    yield "our memory (PSS) with one container", _parts(one)
    yield f"our memory (PSS) with {alive} containers", _parts(most)
    yield "for each further one", f"{(sum(most.values()) - sum(one.values())) / (alive - 1):.0f} KiB"


def _parts(found: dict[str, int]) -> str:
    parts = ", ".join(f"{part} {size / 1024:.1f}" for part, size in found.items() if size)
    return f"{sum(found.values()) / 1024:.0f} MiB: {parts}"


def _race(folder: Path) -> Iterator[tuple[str, str]]:
    file = services(folder, "race", server_in_python(folder), 1, idle=0.2)
    together, lost = threading.Barrier(CLIENTS), []

    def client() -> None:
        for _ in range(RACES // CLIENTS):
            # All pause together, so that nobody asks for about as long as makes it idle.
            together.wait()
            time.sleep(random.uniform(0.2, 0.35))
            try:
                ask("race0.example")
            except (OSError, http.client.HTTPException, ValueError) as error:
                lost.append(error)

    with front(folder, str(file)) as events, ThreadPoolExecutor(CLIENTS) as threads:
        for each in [threads.submit(client) for _ in range(CLIENTS)]:
            each.result()
        stops = sum(event["event"] == "stopping" for event in events())
    yield f"of {RACES} requests that race the idle stop, failed", f"{len(lost)}, while it was stopped {stops} times"


@contextmanager
def _nginx(folder: Path, name: str) -> Iterator[None]:
    process = subprocess.Popen(["nginx", "-e", "stderr", "-c", str(folder / f"{name}.conf"), "-p", str(folder)])
    time.sleep(0.5)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


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


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, float(sys.argv[2]) if len(sys.argv) > 2 else 5)

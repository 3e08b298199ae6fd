"""What one cold `haconiwa run` costs: instructions of its own process, and time against peers.

    python bench/cold.py [ROUNDS]

Instructions are those of user space, as valgrind's callgrind counts them: the launcher's process and the
container are not part of them. Times are medians of interleaved rounds. Needs root, busybox-static, valgrind
and gcc on x86-64; a peer that does not run here is left out and named.

What counts is an installation from wheels: the .pth files of editable installations make every start of
their interpreter dearer, that of `python -c pass` among them.
"""

from __future__ import annotations

import ctypes
import os
import random
import re
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from threading import Thread

from start import call, definition, make_root, peers

OPEN_TREE, MOUNT_SETATTR, PIDFD_SEND_SIGNAL, LANDLOCK_CREATE_RULESET = 428, 442, 424, 444
REQUEST = struct.Struct("ll4096s")
ANSWER = struct.Struct("i")
AT_FDCWD = -100
MOUNT_ATTR_SIZE = 32
NOTHING = [sys.executable, "-I", "-c", "pass"]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    # Bytecode is warm, as it is for whoever runs the command twice.
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONUNBUFFERED"):
        os.environ.pop(name, None)
    os.environ["PYTHONHASHSEED"] = "0"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Without a resident supervisor, which would take the start over.
        os.environ["HACONIWA_SOCKET"] = str(folder / "none")
        file = definition(folder, make_root(folder))
        script = [str(Path(sys.executable).with_name("haconiwa")), "run", "--rm", str(file)]
        ours = {
            "haconiwa run": script,
            "python -I -m haconiwa_core run": [*NOTHING[:2], "-m", "haconiwa_core", *script[1:]],
        }
        print_instructions({"python -I -c pass": NOTHING, **ours}, build(folder))
        print_times({"python -I -c pass": NOTHING, **ours}, folder, rounds)


def print_instructions(commands: dict[str, list[str]], library: Path) -> None:
    base = 0
    for name, command in commands.items():
        call(command)
        count = instructions(command, library)
        base = base or count
        print(f"{name:32} {count / 1e6:8.1f} M instructions  {count / base:6.2f} x")


def print_times(commands: dict[str, list[str]], folder: Path, rounds: int) -> None:
    ways = {**{name: partial(call, command) for name, command in commands.items()}, **peers(folder)}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name in random.sample(list(ways), len(ways)):
            times[name].append(ways[name]())
    for name, measured in sorted(times.items(), key=lambda item: statistics.median(item[1])):
        print(f"{name:32} {statistics.median(measured) * 1000:8.2f} ms, median of {rounds}")


def build(folder: Path) -> Path:
    library = folder / "outside.so"
    source = Path(__file__).with_name("outside.c")
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


def instructions(command: list[str], library: Path) -> int:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        server = Thread(target=serve, args=(ours,))
        server.start()
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command],
            check=False,
            pass_fds=[theirs.fileno()],
            env={**os.environ, "LD_PRELOAD": str(library), "OUTSIDE": str(theirs.fileno())},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        theirs.close()
        server.join()
    counts = re.findall(r"Collected : (\d+)", done.stderr)
    # A fork that ends without exec would have counted apart.
    if done.returncode or len(counts) != 1 or "unhandled" in done.stderr:
        sys.exit(f"{command}: {done.returncode}\n{done.stderr}")
    return int(counts[0])


def serve(channel: socket.socket) -> None:
    """Make the calls that valgrind does not know, until the last other end is closed."""
    library = ctypes.CDLL(None, use_errno=True)
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, REQUEST.size, 1)
        if not message:
            return
        number, flags, content = REQUEST.unpack(message)
        first = descriptors[0] if descriptors else AT_FDCWD
        arguments = {
            OPEN_TREE: (first, content, ctypes.c_uint(flags)),
            MOUNT_SETATTR: (first, b"", ctypes.c_uint(flags), content, ctypes.c_size_t(MOUNT_ATTR_SIZE)),
            PIDFD_SEND_SIGNAL: (first, content[0], None, ctypes.c_uint(flags)),
            LANDLOCK_CREATE_RULESET: (None, ctypes.c_size_t(0), ctypes.c_uint(flags)),
        }[number]
        result = library.syscall(ctypes.c_long(number), *arguments)
        if result < 0:
            channel.send(ANSWER.pack(-ctypes.get_errno()))
        elif number == OPEN_TREE:
            socket.send_fds(channel, [ANSWER.pack(0)], [result])
            os.close(result)
        else:
            channel.send(ANSWER.pack(result))
        for descriptor in descriptors:
            os.close(descriptor)


if __name__ == "__main__":
    main()

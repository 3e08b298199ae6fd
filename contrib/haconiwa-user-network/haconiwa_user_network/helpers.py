"""Start what forwards for a container, and wait until it does."""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import time
from pathlib import Path

from haconiwa_core.errors import StepError
from haconiwa_core.linux.processes import own_process_log, start_own_process

NAME = "user-network"
"""Of the process among the instance's own."""

TUN = "/dev/net/tun"
PACKAGES = {"pasta": "passt", "slirp4netns": "slirp4netns"}
"""Of the distributions, by program."""

_READY = "user-network.ready"
_SOCKET = "user-network.sock"
_SECONDS = 30.0
_POLL = 0.002
_LONGEST_ANSWER = 4096
_TOLD = 600
"""Characters of what a helper says that an error repeats."""

Forward = tuple[str, int, int, str]
"""Address of the host or "", port there, port inside, protocol."""


def start_pasta(options: tuple[str, ...], pid: int, directory: str) -> None:
    """Start pasta(1) for the network namespace of a child, and wait until it forwards.

    Args:
        options: all but those that depend on the instance.
        pid: a child that waits, in a user namespace of its own.
        directory: the instance's own.

    Raises:
        StepError: it is not installed, or says why it cannot.
    """
    # It writes its pid when it is ready.
    arguments = ("pasta", *options, "--pid", _READY)
    if os.geteuid() == 0:
        # It gives up root's rights before it looks for namespaces; what is open by then it may enter.
        opened = ("/bin/sh", "-c", 'exec "$@" 0<"/proc/$0/ns/user" 1<"/proc/$0/ns/net"', str(pid))
        place = ("--runas", "0:0", "--userns", "/proc/self/fd/0", "--netns", "/proc/self/fd/1")
        _start("pasta", (*opened, *arguments, *place), directory)
    else:
        _start("pasta", (*arguments, str(pid)), directory)


def start_slirp4netns(
    options: tuple[str, ...], interface: str, forwards: tuple[Forward, ...], pid: int, directory: str
) -> None:
    """Start slirp4netns(1) for the network namespace of a child, wait until it is ready, and publish ports.

    Args:
        options: all but those that depend on the instance.
        interface: the name of the container's.
        forwards: the published ports.
        pid: a child that waits.
        directory: the instance's own.

    Raises:
        StepError: it is not installed, or says why it cannot.
    """
    # A helper in the container's own user namespace has rights over its network, and none elsewhere.
    own = not os.path.samefile(f"/proc/{pid}/ns/user", "/proc/self/ns/user")
    place = (f"--userns-path=/proc/{pid}/ns/user",) if own else ()
    # It closes itself in, and unmounts what it leaves; as root it would do so in the mount trees of others, too.
    apart = ("unshare", "--mount", "--propagation=private") if os.geteuid() == 0 else ()
    # It writes to a descriptor when it is ready.
    opened = ("/bin/sh", "-c", 'exec "$@" 3>"$0"', _READY, *apart, "slirp4netns", "--ready-fd=3")
    _start("slirp4netns", (*opened, f"--api-socket={_SOCKET}", *options, *place, str(pid), interface), directory)
    for forward in forwards:
        _publish(forward, directory)


def _start(program: str, arguments: tuple[str, ...], directory: str) -> None:
    """Start what ends in a program, and wait until that has written that it is ready."""
    import shutil

    if shutil.which(program) is None:
        raise StepError(errno.ENOENT, f"{program} is not installed", _other(program))
    ready = Path(directory, _READY)
    for left in (ready, Path(directory, _SOCKET)):
        # Of a former start of the same instance.
        left.unlink(missing_ok=True)
    process = start_own_process(arguments, NAME, directory)
    try:
        deadline = time.monotonic() + _SECONDS
        while not (ready.exists() and ready.stat().st_size):
            if select.select([process], [], [], _POLL)[0]:
                raise StepError(errno.ECHILD, f"{program} has ended: {_said(directory)}", _remedy(program))
            if time.monotonic() > deadline:
                raise StepError(errno.ETIMEDOUT, f"{program} is not ready after {_SECONDS:.0f} s", "")
    finally:
        os.close(process)


def _publish(forward: Forward, directory: str) -> None:
    address, outside, inside, protocol = forward
    wanted = {"proto": protocol, "host_port": outside, "guest_port": inside}
    if address:
        wanted["host_addr"] = address
    answer = _asked({"execute": "add_hostfwd", "arguments": wanted}, directory)
    if "return" not in answer:
        text = f"{address or '*'}:{outside}/{protocol} cannot be published: {answer.get('error', {}).get('desc', '')}"
        raise StepError(errno.EADDRINUSE, text, "take a port that is free, and from 1024 on for an ordinary user")


def _asked(request: dict[str, object], directory: str) -> dict[str, dict[str, str]]:
    # A socket's address is short, and the way to the directory may be long.
    folder = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_SECONDS)
            connection.connect(f"/proc/self/fd/{folder}/{_SOCKET}")
            connection.sendall(json.dumps(request).encode())
            connection.shutdown(socket.SHUT_WR)
            answer: dict[str, dict[str, str]] = json.loads(connection.recv(_LONGEST_ANSWER))
            return answer
    finally:
        os.close(folder)


def _said(directory: str) -> str:
    log = own_process_log(NAME, directory)
    text = log.read_text(errors="replace") if log.exists() else ""
    lines = [line for line in text.splitlines() if line and not line.startswith(("WARNING:", "Failed to send"))]
    return "; ".join(lines)[-_TOLD:] or "it has said nothing"


def _remedy(program: str) -> str:
    if not os.access(TUN, os.R_OK | os.W_OK):
        return f"the user must be able to open {TUN}: as root, modprobe tun, and chmod 666 {TUN}"
    return f"a port that is in use, or below 1024 for an ordinary user, cannot be published; see also {program}(1)"


def _other(program: str) -> str:
    other = next(name for name in PACKAGES if name != program)
    return f'install the package {PACKAGES[program]}, or set helper = "{other}"'

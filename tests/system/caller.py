"""A caller on a terminal, full of what must not be handed on to a container."""

import ctypes
import os
import pty
import signal
import struct
from pathlib import Path

from system.world import libc

from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.testing import forked

ADD_KEY = 248 if os.uname().machine == "x86_64" else 217
SESSION_KEYRING = -3
JOIN = 1
CAP_KILL = 5

SECRET = "not-for-containers"
KEY = "bait"
"""The description of a key in the session keyring."""


def bait(secret):
    """Fill this process with what must not be handed on; it is about to become the command line."""
    for number, path in ((20, secret), (21, "/")):
        os.dup2(os.open(path, os.O_RDONLY), number, inheritable=True)
    libc("syscall", ctypes.c_long(Call.keyctl), JOIN, b"bait")
    libc("syscall", ctypes.c_long(ADD_KEY), b"user", KEY.encode(), SECRET.encode(), len(SECRET), SESSION_KEYRING)
    Path("/proc/self/oom_score_adj").write_text("300")
    os.setgroups([4242])
    os.umask(0)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    for number in (signal.SIGPIPE, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _hand_on_capability()
    os.chdir("/usr/share")


def _hand_on_capability():
    """Let every program that this process executes have CAP_KILL, whoever executes it (capset(2))."""
    header, sets = struct.pack("Ii", c.LINUX_CAPABILITY_VERSION_3, 0), ctypes.create_string_buffer(24)
    libc("capget", header, sets)
    effective, permitted, inheritable, *high = struct.unpack("6I", sets)
    libc("capset", header, struct.pack("6I", effective, permitted, inheritable | 1 << CAP_KILL, *high))
    libc("prctl", c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0)


def on_a_terminal(function):
    """Run a function in a process whose controlling terminal is a new one; return what it wrote there."""
    pid, master = pty.fork()
    if pid == 0:
        os._exit(forked(function))
    output = b""
    while True:
        try:
            chunk = os.read(master, 1 << 16)
        except OSError:  # EIO: nobody has the terminal open any more.
            break
        if not chunk:
            break
        output += chunk
    os.close(master)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, output
    return output.decode().replace("\r\n", "\n")

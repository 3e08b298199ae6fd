"""What a weak container can do: each harm prepares a bait of its own, and says how to see that it was done.

Everything happens to this test's own processes, files and namespaces. What concerns the whole machine is
read, or set to what it is.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import pty
import secrets
import shutil
import signal
import socket
import subprocess
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from system.world import libc

from haconiwa_core.linux.constants import CLONE_NEWUTS, MNT_DETACH

SOURCE = Path(__file__).with_name("harm.c")
_AT_FDCWD = -100
_USER_KEYRING = -4
_ADD_KEY, _KEYCTL = {"x86_64": (248, 250), "aarch64": (217, 219)}[os.uname().machine]
_KEYCTL_UNLINK = 9
_SHM_PRIVATE, _SHM_CREATE, _SHM_REMOVE = 0, 0o1600, 0


@dataclass(frozen=True)
class Attempt:
    """A harm that is ready to be tried.

    Attributes:
        words: for the program that tries it.
        output: what it must print, if anything, for the harm to be done.
        seen: whether the harm shows outside, where it must.
        terminal: what standard input is, instead of nothing.
    """

    words: tuple[str, ...]
    output: str = ""
    seen: Callable[[], bool] = lambda: True
    terminal: int | None = None


Harm = Callable[[Path], AbstractContextManager[Attempt]]
"""Given the root directory of containers that have one, prepares an attempt."""


def simple(*words: str) -> Harm:
    """Return a harm that needs no bait."""

    @contextmanager
    def harm(_root: Path) -> Iterator[Attempt]:
        yield Attempt(words)

    return harm


def _secret(file: Path) -> str:
    """Write a file that only its owner may read; return what it says."""
    text = secrets.token_hex()
    file.write_text(text)
    file.chmod(0o600)
    return text


def reads_outside(word: str) -> Harm:
    """Return the harm that reads a file of the host, in the way that the word says."""

    @contextmanager
    def harm(_root: Path) -> Iterator[Attempt]:
        # Of the test alone (`private_world`), and in the way of any user.
        file = Path("/run/secret")
        text = _secret(file)
        file.chmod(0o644)
        yield Attempt((word, str(file)), text)

    return harm


file_of_host = reads_outside("read-file")
file_above_chroot = reads_outside("double-chroot")
file_below_root = reads_outside("uncover-root")


@contextmanager
def file_of_root_inside(root: Path) -> Iterator[Attempt]:
    yield Attempt(("read-file", "/etc/secret"), _secret(root / "etc/secret"))


@contextmanager
def file_by_handle(root: Path) -> Iterator[Attempt]:
    file = root.parent / "secret"
    text = _secret(file)
    handle = ctypes.create_string_buffer(8 + 128)
    ctypes.c_uint.from_buffer(handle).value = 128
    mount = ctypes.c_int()
    libc("name_to_handle_at", _AT_FDCWD, os.fsencode(file), handle, ctypes.byref(mount), 0)
    size, kind = (ctypes.c_int.from_buffer(handle, offset).value for offset in (0, 4))
    yield Attempt(("by-handle", str(kind), handle.raw[8 : 8 + size].hex()), text)


@contextmanager
def device_file(root: Path) -> Iterator[Attempt]:
    yield Attempt(("device",))
    with suppress(FileNotFoundError):
        (root / "tmp/device").unlink()


@contextmanager
def process_of_host(_root: Path) -> Iterator[Attempt]:
    with subprocess.Popen(["sleep", "600"]) as bait:
        yield Attempt(("end-process", str(bait.pid)), seen=lambda: bait.wait(10) == -signal.SIGKILL)
        bait.kill()


@contextmanager
def memory_of_host(_root: Path) -> Iterator[Attempt]:
    text = secrets.token_hex()
    bait = ctypes.create_string_buffer(text.encode())
    yield Attempt(("peek", str(os.getpid()), hex(ctypes.addressof(bait)), str(len(text))), text)


@contextmanager
def service_of_host(_root: Path) -> Iterator[Attempt]:
    text = secrets.token_hex()

    def seen() -> bool:
        connection, _ = listener.accept()
        with connection:
            return connection.recv(len(text)) == text.encode()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield Attempt(("network", str(listener.getsockname()[1]), text), seen=seen)


@contextmanager
def shared_memory_of_host(_root: Path) -> Iterator[Attempt]:
    text = secrets.token_hex()
    attach = ctypes.CDLL(None).shmat
    attach.restype = ctypes.c_void_p
    segment = libc("shmget", _SHM_PRIVATE, 4096, _SHM_CREATE)
    try:
        address = attach(segment, None, 0)
        ctypes.memmove(address, text.encode(), len(text))
        ctypes.CDLL(None).shmdt(ctypes.c_void_p(address))
        yield Attempt(("shared-memory", str(segment)), text)
    finally:
        libc("shmctl", segment, _SHM_REMOVE, None)


@contextmanager
def name_of_host(_root: Path) -> Iterator[Attempt]:
    """The host is this process in a UTS namespace that it leaves again."""
    former = os.open("/proc/self/ns/uts", os.O_RDONLY | os.O_CLOEXEC)
    libc("unshare", CLONE_NEWUTS)
    try:
        yield Attempt(("host-name", "harmed"), seen=lambda: socket.gethostname() == "harmed")
    finally:
        libc("setns", former, CLONE_NEWUTS)
        os.close(former)


@contextmanager
def mount_of_host(root: Path) -> Iterator[Attempt]:
    """The host's mounts are those of this test (`private_world`)."""

    def seen() -> bool:
        return f" {target} " in Path("/proc/self/mountinfo").read_text()

    target = root / "mnt"
    yield Attempt(("mount-over", "/mnt"), seen=seen)
    if seen():
        libc("umount2", os.fsencode(target), MNT_DETACH)


@contextmanager
def key_of_host(_root: Path) -> Iterator[Attempt]:
    with _key() as (number, _, text):
        yield Attempt(("key", str(number)), text)


@contextmanager
def keys_of_host(_root: Path) -> Iterator[Attempt]:
    with _key() as (_, name, _):
        yield Attempt(("keys",), name)


@contextmanager
def _key() -> Iterator[tuple[int, str, str]]:
    """Add a key to this user's keyring; yield its number, name and content."""
    name, text = f"haconiwa-{secrets.token_hex(8)}", secrets.token_hex()
    number = libc("syscall", _ADD_KEY, b"user", name.encode(), text.encode(), len(text), _USER_KEYRING)
    try:
        yield number, name, text
    finally:
        libc("syscall", _KEYCTL, _KEYCTL_UNLINK, number, _USER_KEYRING)


@contextmanager
def set_user_id_file(root: Path) -> Iterator[Attempt]:
    (root / "harm").chmod(0o4755)
    yield Attempt(("become-root",))
    (root / "harm").chmod(0o755)


@contextmanager
def terminal_of_host(_root: Path) -> Iterator[Attempt]:
    controller, terminal = pty.openpty()

    def seen() -> bool:
        return os.read(terminal, 1) == b"x"

    try:
        tty.setraw(terminal)
        fcntl.fcntl(terminal, fcntl.F_SETFL, os.O_RDWR | os.O_NONBLOCK)
        yield Attempt(("type-ahead",), seen=seen, terminal=terminal)
    finally:
        termios.tcflush(terminal, termios.TCIFLUSH)
        os.close(controller)
        os.close(terminal)


def compiled(folder: Path) -> Path:
    """Return the program that tries them all."""
    if not shutil.which("gcc"):
        pytest.skip("needs gcc, to make a static program that tries to do harm")
    program = folder / "harm"
    subprocess.run(["gcc", "-static", "-w", "-O1", "-o", program, SOURCE], check=True)
    return program

"""What lies on the host for a container not to reach: files, sockets, processes, keys, all of them verify's own."""

from __future__ import annotations

import ctypes
import os
import pty
import secrets
import signal
import socket
import tempfile
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from haconiwa_core.facts import NewRoot
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import KEYCTL_JOIN_SESSION_KEYRING
from haconiwa_core.linux.host import system_call
from haconiwa_verify.asked import Asked
from haconiwa_verify.prober import Answer, Outside, executable, outside, program

_AT_EMPTY_PATH = 0x1000
_LOOPBACK = "lo"
_MESSAGE = 4096
"""Bytes, more than which nobody has to say."""


class Handle(NamedTuple):
    """What opens a file without its path (name_to_handle_at(2)).

    Args:
        kind: its type.
        text: its bytes, in hexadecimal.
    """

    kind: int
    text: str


class Scene:
    """A context in which all lies there. Afterwards nothing is left but a new session keyring of this process.

    Attributes:
        asked: what the container was asked to be.
        program: descriptor of the probe.
        token: what files hold and messages say, and nobody can guess.
        host: a probe on the host that tries the same, for what fails there, too, proves nothing.
        bystander: another, to which things are done.
        address: of the token in the bystander's memory.
        folder: on the host; `secret` in it can be read by everyone, `notes` be written, `program` gives root's rights.
        handle: of a file on the file system of the container's root; None where there can be none.
        port: of the loopback interface, on which this process listens.
        name: of an abstract socket, on which it listens, too; keys have the same name.
        shared_memory: the key of a segment.
        interface: of the host's network, with its hardware address; None where it has but a loopback.
        group: directory of a hierarchy's first group, and its inode; None where there is no hierarchy.
        host_name: of the host.
        terminal: descriptor of a terminal of the caller's.
    """

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.token = secrets.token_hex(8)
        self.name = f"haconiwa-verify-{secrets.token_hex(8)}"
        self.shared_memory = secrets.randbits(31)
        self._open = ExitStack()

    def __enter__(self) -> Scene:
        with ExitStack() as opened:
            # Whoever is started has it, too, unless something is done about that.
            with suppress(OSError):
                system_call(Call.keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0)
            self.program = opened.enter_context(program())
            self.terminal = opened.enter_context(_terminal())
            self.host: Outside = opened.enter_context(outside(self.program, "host", self.terminal))
            self.bystander: Outside = opened.enter_context(outside(self.program, self.token, self.terminal))
            told = self.bystander.prober.ask("tell-address", self.token)
            self.address = int.from_bytes(told.found, "little")
            self.folder = opened.enter_context(_folder(self.token))
            self.handle = opened.enter_context(_handle(self.root, self.token))
            self._port = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
            self._named = opened.enter_context(socket.socket(socket.AF_UNIX))
            self._named.bind(f"\0{self.name}")
            self._named.listen()
            for listening in (self._port, self._named):
                listening.setblocking(False)
            opened.enter_context(self._kept())
            opened.enter_context(_noted(signal.SIGURG))
            self.interface = next(_interfaces(), None)
            self.group = next(((tree.mount, os.stat(tree.mount).st_ino) for tree in self.asked.plan.host.cgroups), None)
            self.host_name = os.fsencode(os.uname().nodename)
            self._open = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def port(self) -> int:
        """The number of the port."""
        number: int = self._port.getsockname()[1]
        return number

    @property
    def root(self) -> str:
        """The container's root directory, on the host."""
        found = self.asked.plan.facts.get(NewRoot)
        return found.path if found else "/"

    def path(self, name: str) -> str:
        """Return the path of a file in the folder."""
        return str(self.folder / name)

    def holds_token(self, answer: Answer) -> bool:
        """Return whether an attempt has found the token."""
        return self.token.encode() in answer.found

    def was_written(self) -> bool:
        """Return whether the token was appended to the notes since this was asked last."""
        with (self.folder / "notes").open("r+b") as notes:
            text = notes.read(_MESSAGE)
            notes.truncate(0)
        return self.token.encode() in text

    def port_was_reached(self) -> bool:
        """Return whether the token came to the port since this was asked last."""
        return self._was_reached(self._port)

    def name_was_reached(self) -> bool:
        """The same of the abstract socket."""
        return self._was_reached(self._named)

    def was_typed(self) -> bool:
        """Return whether something has been typed into the terminal since this was asked last."""
        with suppress(BlockingIOError):
            return bool(os.read(self.terminal, _MESSAGE))
        return False

    def names_groups(self, answer: Answer) -> bool:
        """Return whether an attempt has found the names of control groups outside of the namespace of its own."""
        lines = (line.split(":", 2) for line in answer.found.decode(errors="replace").splitlines())
        paths = [parts[2] for parts in lines if len(parts) > 2]
        # What is attached lies in a group beside that of the first process.
        return any(path != "/" and not (path.startswith("/../") and "/" not in path[4:]) for path in paths)

    def _was_reached(self, listening: socket.socket) -> bool:
        reached = False
        while True:
            try:
                connection, _ = listening.accept()
            except BlockingIOError:
                return reached
            with connection, suppress(OSError):
                # Anybody may connect, and say nothing.
                connection.setblocking(False)
                reached |= connection.recv(_MESSAGE) == self.token.encode()

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Let the kernel keep things for the caller's user, and forget them again."""
        ask = self.host.prober.ask
        try:
            # What cannot be made is not found outside either.
            for keyring in ("session", "user"):
                ask("add-key", keyring, f"{self.name}-{keyring}", self.token)
            ask("make-shared-memory", self.shared_memory, self.token)
            yield
        finally:
            ask("remove-shared-memory", self.shared_memory)
            for keyring in ("session", "user"):
                ask("remove-key", keyring, f"{self.name}-{keyring}")


@contextmanager
def _terminal() -> Iterator[int]:
    """Give a terminal that passes on at once what is typed."""
    controller, terminal = pty.openpty()
    try:
        tty.setraw(terminal)
        os.set_blocking(terminal, False)
        yield terminal
    finally:
        os.close(controller)
        os.close(terminal)


@contextmanager
def _folder(token: str) -> Iterator[Path]:
    """Make a folder that is in everybody's way."""
    base = Path("/run") if os.geteuid() == 0 else Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    with tempfile.TemporaryDirectory(prefix="haconiwa-verify-", dir=base) as name:
        folder = Path(name)
        folder.chmod(0o755)
        secret, notes, gaining = (folder / part for part in ("secret", "notes", "program"))
        secret.write_text(token)
        secret.chmod(0o644)
        notes.touch()
        notes.chmod(0o666)
        gaining.write_bytes(executable().read_bytes())
        # Executed by another user than its owner, it does nothing but say that it is root.
        gaining.chmod(0o4755)
        yield folder


@contextmanager
def _handle(root: str, token: str) -> Iterator[Handle | None]:
    """Make a file without a name beside a root directory, or in it, and give its handle."""
    handle = None
    descriptor = -1
    for folder in (os.path.dirname(root), root):
        with suppress(OSError):
            if os.stat(folder).st_dev == os.stat(root).st_dev:
                descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
                break
    try:
        if descriptor >= 0:
            os.write(descriptor, token.encode())
            handle = _handle_of(descriptor)
        yield handle
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _handle_of(descriptor: int) -> Handle | None:
    buffer = ctypes.create_string_buffer(8 + 128)
    ctypes.c_uint.from_buffer(buffer).value = 128
    mount = ctypes.c_int()
    library = ctypes.CDLL(None, use_errno=True)
    if library.name_to_handle_at(descriptor, b"", buffer, ctypes.byref(mount), _AT_EMPTY_PATH):
        return None
    size, kind = (ctypes.c_int.from_buffer(buffer, offset).value for offset in (0, 4))
    return Handle(kind, buffer.raw[8 : 8 + size].hex())


@contextmanager
def _noted(number: int) -> Iterator[None]:
    """Let a signal that comes to this process wait until it is looked for."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        yield
    finally:
        with suppress(ValueError):
            was_signalled(number)
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def was_signalled(number: int) -> bool:
    """Return whether a signal that is blocked has come to this process since this was asked last."""
    return signal.sigtimedwait([number], 0) is not None


def has_signal(pid: int, number: int) -> bool:
    """Return whether a signal that another process has blocked has come to it (proc_pid_status(5))."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return any(int(fields[name], 16) >> (number - 1) & 1 for name in ("SigPnd", "ShdPnd"))


def _interfaces() -> Iterator[tuple[str, bytes]]:
    """Yield the network interfaces of the host that have a hardware address."""
    for _, name in socket.if_nameindex():
        text = Path(f"/sys/class/net/{name}/address")
        with suppress(OSError, ValueError):
            address = bytes.fromhex(text.read_text().strip().replace(":", ""))
            if name != _LOOPBACK and any(address):
                yield name, address

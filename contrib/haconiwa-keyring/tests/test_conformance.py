import ctypes
import errno
from pathlib import Path

from haconiwa_core.testing import Conformance, FakeKernel

from haconiwa_keyring import Key, Keyring
from haconiwa_keyring.kernel import Command, Permissions

SESSION = -3
LARGEST = 32767
SET_ATTRIBUTES, WRITE = 0x20000000, 0x04000000


class KernelWithKeys(FakeKernel):
    """Keys of one process, which possesses them all."""

    keys: dict[int, tuple[str, str, int]]
    """Type, description and permissions, by number."""

    def _keyctl(self, command: int, first: int, second: int, size: int) -> int:
        if command == Command.KEYCTL_JOIN_SESSION_KEYRING:
            name = ctypes.string_at(first).decode() if first else "_ses"
            self.keys = {SESSION: ("keyring", name, Permissions.NEW_KEYRING)}
            return 1
        kind, description, permissions = self.keys[ctypes.c_int(first).value]
        if command == Command.KEYCTL_DESCRIBE:
            text = f"{kind};{self.uid};{self.gid};{permissions:08x};{description}".encode() + b"\0"
            if len(text) <= size:
                ctypes.memmove(second, text, len(text))
            return len(text)
        if command == Command.KEYCTL_SETPERM:
            if not permissions & SET_ATTRIBUTES:
                return -errno.EACCES
            self.keys[ctypes.c_int(first).value] = (kind, description, second)
            return 0
        return -errno.EOPNOTSUPP

    def _add_key(self, kind: int, description: int, _payload: int, size: int) -> int:
        if not 1 <= size <= LARGEST:
            return -errno.EINVAL
        if not self.keys[SESSION][2] & WRITE:
            return -errno.EACCES
        added = len(self.keys) + 1
        self.keys[added] = (ctypes.string_at(kind).decode(), ctypes.string_at(description).decode(), 0x3F010000)
        return added


class TestConformance(Conformance):
    section = "keyring"
    valid = (
        Keyring(name="web"),
        Keyring(name="web", keys=[Key("db:password", "password"), Key("token", "token")]),
        Keyring(name="web", keys=[Key("db:password", "password")], read_only=True),
    )
    kernel = KernelWithKeys

    def fill(self, folder: Path) -> None:
        (folder / "password").write_text("secret")
        (folder / "token").write_bytes(bytes(range(256)))

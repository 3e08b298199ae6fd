"""What a container may do with its keyring, and what others may."""

import errno
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from haconiwa_core import SetupError
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.host import system_call
from haconiwa_core.testing import Outcome, become, fork, forked, needs_root, run, run_attached, started

from haconiwa_keyring import Key, Keyring
from haconiwa_keyring.kernel import Command

pytestmark = needs_root

SECRET = b"hunter2\0\xff\n"
NOBODY = 65534
SESSION = -3

CALLS = f"""
import ctypes, json, os, struct, sys
kernel = ctypes.CDLL(None, use_errno=True)
add_key, keyctl = {(248, 250) if os.uname().machine == "x86_64" else (217, 219)}
number, update, permit, describe, unlink, read = 0, 2, 5, 6, 9, 11
session = -3
def call(*arguments):
    result = kernel.syscall(*arguments)
    return result if result >= 0 else -ctypes.get_errno()
def bytes_of(command, key):
    buffer = ctypes.create_string_buffer(40000)
    size = call(keyctl, command, key, buffer, 40000)
    return buffer.raw[:max(0, size)]
"""

LOOK = f"""{CALLS}
os.setresgid(*[int(sys.argv[1])] * 3)
os.setresuid(*[int(sys.argv[1])] * 3)
keys = [key for key, in struct.iter_unpack("i", bytes_of(read, session))]
print(json.dumps({{
    "number": call(keyctl, number, session, 0),
    "keyring": bytes_of(describe, session).decode().rstrip("\\0"),
    "keys": {{bytes_of(describe, key).decode().rstrip("\\0"): bytes_of(read, key).hex() for key in keys}},
}}))
"""
"""Tell the session keyring and the payloads in it, as the user that is named."""

CHANGE = f"""{CALLS}
key, *_ = struct.unpack("2i", bytes_of(read, session))
attempts = (
    (keyctl, update, key, b"x", 1),
    (keyctl, permit, key, 0x3f3f3f3f),
    (keyctl, permit, session, 0x3f3f3f3f),
    (keyctl, unlink, key, session),
    (add_key, b"user", b"new", b"x", 1, session),
)
print([call(*arguments) for arguments in attempts])
"""
"""Try what changes a key or the keyring."""


def python(program: str, *arguments: str) -> list[str]:
    return [sys.executable, "-I", "-c", program, *arguments]


def seen(outcome: Outcome) -> dict[str, object]:
    assert outcome.exit_status == 0, outcome.stderr
    return json.loads(outcome.stdout)


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_bytes(SECRET)
    file.chmod(0o600)
    return file


@pytest.fixture
def web(password: Path) -> Keyring:
    # The keyring of an ended container may be there for a while, and open to all.
    name = f"test-{secrets.token_hex(4)}"
    return Keyring(name=name, keys=[Key("db", str(password)), Key("db:old", str(password))])


@pytest.mark.parametrize("user", [0, 33])
def test_the_command_has_the_keyring_and_its_keys(web: Keyring, user: int) -> None:
    """As another user, too: what a process possesses depends on its keyrings alone."""
    found = seen(run(web, command=python(LOOK, str(user))))
    assert found["keyring"] == f"keyring;0;0;3f130000;{web.name}"
    assert found["keys"] == {f"user;0;0;3f010000;{name}": SECRET.hex() for name in ("db", "db:old")}


def test_without_it_the_keyring_is_empty_and_has_no_name_of_its_own() -> None:
    found = seen(run(command=python(LOOK, "0")))
    assert found["keyring"] == "keyring;0;0;3f030000;_ses"
    assert found["keys"] == {}


@pytest.mark.parametrize("read_only", [True, False])
def test_read_only(web: Keyring, read_only: bool) -> None:
    feature = replace(web, read_only=read_only)
    results = json.loads(run(feature, command=python(CHANGE)).stdout)
    assert [result == -errno.EACCES for result in results] == [read_only] * 5
    if read_only:
        found = seen(run(feature, command=python(LOOK, "33")))
        assert found["keyring"] == f"keyring;0;0;0b130000;{web.name}"
        assert found["keys"] == {f"user;0;0;0b010000;{name}": SECRET.hex() for name in ("db", "db:old")}


def test_what_is_attached_has_a_keyring_of_its_own_with_the_same_keys(web: Keyring) -> None:
    with started(web, command=["sleep", "600"]) as running:
        attached = [seen(run_attached(running, web, command=python(LOOK, "33"))) for _ in range(2)]
    first = seen(run(web, command=python(LOOK, "33")))
    everyone = [first, *attached]
    assert len({found.pop("number") for found in everyone}) == 3
    assert everyone == [first] * 3


@contextmanager
def shared_by_another_user(name: str) -> Iterator[None]:
    """Have a process of another user's that lets everybody join its keyring."""
    reading, writing = os.pipe()

    def share() -> None:
        become(NOBODY)
        system_call(Call.keyctl, Command.KEYCTL_JOIN_SESSION_KEYRING, name)
        system_call(Call.keyctl, Command.KEYCTL_SETPERM, SESSION, 0x3F3F3F3F)
        os.write(writing, b".")
        signal.pause()

    pid = fork(share)
    os.close(writing)
    try:
        assert os.read(reading, 1) == b"."
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reading)


def test_a_keyring_that_somebody_else_holds_is_not_joined(web: Keyring) -> None:
    """Whoever shares a keyring of the container's name would read its keys."""
    with shared_by_another_user(web.name), pytest.raises(SetupError) as caught:
        run(web, command=["true"])
    assert (caught.value.plugin, caught.value.stage) == ("keyring", "SESSION")
    assert "reads back differently" in str(caught.value)
    assert "take another name" in caught.value.remedy


def test_a_user_namespace_has_names_of_its_own(web: Keyring) -> None:
    users = pytest.importorskip("haconiwa_ns_user", reason="needs haconiwa-ns-user")
    mapped = users.UserNamespace(uid_map=[users.IdRange(0, 100000, 100)], gid_map=[users.IdRange(0, 100000, 100)])
    with shared_by_another_user(web.name):
        shown = run(web, mapped, command=["cat", "/proc/keys"]).stdout
    assert f" perm 3f130000     0     0 keyring   {web.name}: 2\n" in shown
    assert shown.count(f": {len(SECRET)}\n") == 2


def test_a_fifo_does_not_hold_up_the_start(web: Keyring, password: Path) -> None:
    password.unlink()
    os.mkfifo(password)
    with pytest.raises(SetupError, match="32767 bytes"):
        run(web, command=["true"])


def test_an_ordinary_users_quota(password: Path, web: Keyring) -> None:
    password.write_bytes(b"x" * 32767)
    quota = int(Path("/proc/sys/kernel/keys/maxbytes").read_text())
    if quota > 2 * 32767:
        pytest.skip(f"an ordinary user may have {quota} bytes in keys here")
    password.chmod(0o644)
    for folder in (password.parent, *password.parents[1:3]):
        folder.chmod(0o755)

    def start() -> None:
        become(NOBODY)
        with pytest.raises(SetupError) as caught:
            run(web, command=["true"])
        assert caught.value.plugin == "keyring"
        assert "EDQUOT" in str(caught.value)
        assert "/proc/sys/kernel/keys" in caught.value.remedy

    assert forked(start) == 0


def test_the_keys_end_with_the_container(web: Keyring) -> None:
    with started(web):
        assert f" keyring   {web.name}: 2\n" in Path("/proc/keys").read_text()
    deadline = time.monotonic() + 60
    # The kernel collects keys some time after their last holder has ended.
    while web.name in Path("/proc/keys").read_text():
        assert time.monotonic() < deadline, "they are there for ever"
        time.sleep(0.05)

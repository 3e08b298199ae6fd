"""Containers of the real kernel."""

import secrets
from pathlib import Path

import pytest
from haconiwa_core import SetupError
from haconiwa_core.testing import needs_root, run, run_attached, started

from haconiwa_keyring import Key, Keyring

pytestmark = needs_root

LOOK = ["cat", "/proc/keys"]


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text("hunter2")
    return file


@pytest.fixture
def web(password: Path) -> Keyring:
    # Root sees the keys of other containers, too, and those of ended ones for a while.
    name = f"test-{secrets.token_hex(4)}"
    return Keyring(name=name, keys=[Key(f"{name}:password", str(password))])


def keys_in(text: str) -> set[str]:
    """Return type, description and size of each key that /proc/keys shows (proc_keys(5))."""
    return {" ".join(line.split()[7:]) for line in text.splitlines()}


def test_the_command_has_the_keyring(web: Keyring) -> None:
    expected = {f"keyring {web.name}: 1", f"user {web.name}:password: 7"}
    assert not keys_in(run(command=LOOK).stdout) & expected
    assert keys_in(run(web, command=LOOK).stdout) >= expected


def test_what_is_attached_has_one_of_its_own(web: Keyring) -> None:
    with started(web) as running:
        found = run_attached(running, web, command=LOOK).stdout
    assert found.count(f" {web.name}: 1\n") == 2


@pytest.mark.parametrize("size", [0, 1, 32767, 32768])
def test_how_much_is_in_a_key(web: Keyring, password: Path, size: int) -> None:
    password.write_bytes(bytes(size))
    if size in (1, 32767):
        assert f"user {web.name}:password: {size}" in keys_in(run(web, command=LOOK).stdout)
        return
    with pytest.raises(SetupError) as caught:
        run(web, command=LOOK)
    assert (caught.value.plugin, caught.value.stage) == ("keyring", "SESSION")
    assert caught.value.remedy == "a key's file has 1 to 32767 bytes"


def test_a_file_that_is_not_there(web: Keyring, password: Path) -> None:
    password.unlink()
    with pytest.raises(SetupError) as caught:
        run(web, command=LOOK)
    assert (caught.value.plugin, caught.value.stage) == ("keyring", "PREPARE")
    assert str(password) in str(caught.value)

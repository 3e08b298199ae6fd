"""Failures as the command line tells them, and places where they come about."""

import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.testing import become, forked

COMMAND = [sys.executable, "-m", "haconiwa_core"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NOBODY = 65534

AARCH64, I386 = 183, 3


def told(*arguments: str | Path, through: tuple[str, ...] = (), status: int = 125) -> str:
    """Run a command line that fails, and return the one error that it tells.

    Args:
        arguments: of `haconiwa`.
        through: the beginning of a command that runs it.
        status: its exit status.
    """
    done = subprocess.run([*through, *COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    prefix, _, text = done.stderr.partition("haconiwa: error: ")
    assert prefix == ""
    assert text.count("\n") == 1
    return text.rstrip("\n")


def error_of(action: Callable[[], object], user: int = NOBODY) -> str:
    """Return the error that an action ends with when another user does it."""
    reader, writer = os.pipe()

    def act() -> None:
        become(user)
        with pytest.raises(HaconiwaError) as caught:
            action()
        os.write(writer, str(caught.value).encode())

    assert forked(act) == 0
    os.close(writer)
    with open(reader) as file:
        return file.read()


def binary(machine: int) -> bytes:
    """Return the header of a program for another machine, of <elf.h>."""
    ident = b"\x7fELF" + bytes([2 if machine == AARCH64 else 1, 1, 1]) + bytes(9)
    return ident + struct.pack("<HHI", 2, machine, 1) + bytes(40)


def put(path: Path, content: bytes | str, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB and 32 inodes."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=32", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def squeezed(text: str) -> str:
    """Return a text in which each number of more than one digit is N."""
    return re.sub(r"\d{2,}", "N", text)

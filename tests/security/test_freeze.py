"""A host can prove which code confines its containers: an environment of wheels, as pip leaves it."""

from __future__ import annotations

import json
import os
import py_compile
import sys
from pathlib import Path

import pytest
from publishing.local_index import TREE, Index, Place, build_index

from haconiwa_core.testing import needs_root


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return build_index(tmp_path_factory.mktemp("index"), ["haconiwa-freeze", "haconiwa-rlimit"])


@pytest.fixture
def place(tmp_path: Path, index: Index) -> Place:
    return Place(tmp_path / "venv", index, "haconiwa-freeze", "haconiwa-rlimit")


def freeze(place: Place) -> Path:
    lock = place.folder / "host.lock"
    done = place.haconiwa("plugins", "freeze", lock)
    assert (done.returncode, done.stderr) == (0, "")
    return lock


def check(place: Place, lock: Path) -> list[str]:
    done = place.haconiwa("plugins", "check", lock)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert done.returncode == bool(lines)
    return lines


@needs_root
def test_an_environment_of_wheels(place: Place) -> None:
    lock = freeze(place)
    noted = set(json.loads(lock.read_text())["distributions"])
    ours = {"haconiwa-core", "haconiwa-freeze", "haconiwa-rlimit"}
    assert noted == {*ours, "packaging", "pluggy", "stevedore", "structlog"}
    # What it has compiled by now is no difference.
    assert list(place.packages.glob("haconiwa_rlimit/__pycache__/*"))
    assert check(place, lock) == []

    plugin = place.packages / "haconiwa_rlimit" / "plugin.py"
    content = plugin.read_bytes()
    plugin.write_bytes(content.replace(b"yield", b"Yield", 1))
    # Python takes bytecode for that of a source of the same size and second.
    os.utime(plugin, (1, 1))
    assert check(place, lock) == [
        f"{plugin} is not what was installed: its RECORD has another hash",
        "haconiwa-rlimit: haconiwa_rlimit/plugin.py has changed",
    ]
    status = plugin.stat()
    plugin.write_bytes(content)
    assert check(place, lock) == []

    # Bytecode of another source, with the time and size of this one.
    other = place.folder / "other.py"
    other.write_bytes(content.replace(b"64", b"46") + b"\nX = 1\n")
    (kept,) = place.packages.glob(f"haconiwa_rlimit/__pycache__/plugin.{sys.implementation.cache_tag}.pyc")
    py_compile.compile(str(other), cfile=str(other.with_suffix(".pyc")))
    os.utime(plugin, ns=(status.st_atime_ns, status.st_mtime_ns))
    head = (0).to_bytes(4, "little") + int(status.st_mtime).to_bytes(4, "little") + len(content).to_bytes(4, "little")
    forged = other.with_suffix(".pyc").read_bytes()
    kept.write_bytes(forged[:4] + head + forged[16:])
    assert check(place, lock) == [f"{kept} is not the bytecode of its source"]
    kept.unlink()

    (place.packages / "haconiwa_core" / "more.so").write_bytes(b"")
    (place.packages / "more.pth").write_text("")
    assert check(place, lock) == [
        f"{place.packages}/haconiwa_core/more.so is in no RECORD",
        "haconiwa-core: haconiwa_core/more.so was added",
        f"{place.packages}: more.pth was added",
    ]


NEXT = """
[build-system]
requires = ["flit_core"]
build-backend = "flit_core.buildapi"

[project]
name = "stevedore"
version = "99"
description = "The next one"
"""


@needs_root
def test_what_pip_changes_is_told(place: Place, tmp_path: Path) -> None:
    lock = freeze(place)
    version = json.loads(lock.read_text())["distributions"]["stevedore"]["version"]
    (tmp_path / "stevedore.py").write_text("")
    (tmp_path / "pyproject.toml").write_text(NEXT)
    place.pip("install", "--upgrade", str(tmp_path))
    place.pip("uninstall", "--yes", "haconiwa-rlimit")
    assert check(place, lock) == [
        "haconiwa-rlimit 0.1.0: is not installed any more",
        f"stevedore: its version was {version}, and is 99",
    ]
    # It runs all the same, for it uses nothing of that.
    place.pip("uninstall", "--yes", "stevedore")
    done = place.haconiwa("plugins", "check", lock)
    assert done.returncode not in (0, 1)
    assert "haconiwa-core needs stevedore, which is not installed" in done.stderr


@needs_root
def test_an_editable_installation_is_named_as_such(place: Place) -> None:
    lock = freeze(place)
    place.pip("install", "--no-deps", "--editable", str(TREE / "plugins" / "haconiwa-rlimit"))
    lines = check(place, lock)
    assert f"haconiwa-rlimit: its editable source was none, and is {TREE}/plugins/haconiwa-rlimit" in lines
    assert check(place, freeze(place)) == []

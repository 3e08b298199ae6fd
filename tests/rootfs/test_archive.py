"""A root goes to an archive, a layout and a registry, and comes back as the root of a container that runs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_archives.images import registry

from haconiwa_core.testing import busybox_root, haconiwa_command, needs_program, needs_root

pytestmark = [needs_root, *map(needs_program, ("busybox", "docker-registry", "skopeo"))]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def haconiwa(tmp_path: Path) -> Run:
    """Run the command line with a store of the test's own."""
    variables = {"HACONIWA_ROOTS": str(tmp_path / "roots"), "HACONIWA_STATE": str(tmp_path / "state")}

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [*haconiwa_command(), *map(str, arguments)]
        environment = {**os.environ, **variables}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def define(file: Path, strategy: str, **options: object) -> Path:
    values = "\n".join(f"{key} = {json.dumps(value)}" for key, value in options.items())
    command = '["/bin/busybox", "cat", "/etc/said"]'
    file.write_text(f'name = "box"\ncommand = {command}\n[ns-mount]\n[rootfs.strategy.{strategy}]\n{values}\n')
    return file


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A definition whose root is in an archive."""
    root = busybox_root(tmp_path / "tree")
    (root / "etc/said").write_text("hello")
    subprocess.run(["tar", "-C", root, "-czf", tmp_path / "root.tar.gz", "."], check=True)
    return define(tmp_path / "first.toml", "tar", archive="root.tar.gz")


def test_a_root_goes_around(haconiwa: Run, first: Path, tmp_path: Path) -> None:
    early = haconiwa("archive", first, "out.tar")
    assert early.returncode
    assert "haconiwa create" in early.stderr
    assert haconiwa("create", first).returncode == 0
    with registry(tmp_path) as address:
        for destination in ("one.tar.zst", "two.tar.zst", "oci:layout:tag", f"docker://{address}/box:1"):
            done = haconiwa("archive", first, destination, "--no-tls-verify")
            assert (done.returncode, done.stderr) == (0, "")
        sources = {
            "second": ("tar", {"archive": "one.tar.zst"}),
            "third": ("oci", {"image": "oci:layout:tag"}),
            "fourth": ("oci", {"image": f"docker://{address}/box:1", "tls_verify": False}),
        }
        for name, (strategy, options) in sources.items():
            assert haconiwa("create", define(tmp_path / f"{name}.toml", strategy, **options)).returncode == 0
    assert (tmp_path / "one.tar.zst").read_bytes() == (tmp_path / "two.tar.zst").read_bytes()
    for name in ("first", *sources):
        done = haconiwa("run", f"{name}.toml")
        assert (done.returncode, done.stdout) == (0, "hello"), done.stderr
    # All four are one layer: what was unpacked is what was packed.
    assert len(list((tmp_path / "roots/layers/sha256").iterdir())) == 1


def test_a_failed_push_is_an_error(haconiwa: Run, first: Path) -> None:
    assert haconiwa("create", first).returncode == 0
    done = haconiwa("archive", first, "docker://127.0.0.1:1/box:1")
    assert done.returncode
    assert "skopeo: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_refused_archive_leaves_nothing(haconiwa: Run, first: Path, tmp_path: Path) -> None:
    with (tmp_path / "root.tar.gz").open("r+b") as file:
        file.truncate(file.seek(0, os.SEEK_END) // 2)
    done = haconiwa("create", first)
    assert done.returncode
    assert "Compressed file ended before the end-of-stream marker" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path for path in (tmp_path / "roots").rglob("*") if path.is_file() and path.name != "lock"] == []

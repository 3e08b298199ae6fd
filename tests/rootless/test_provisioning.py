"""Steps that an ordinary user runs: in a user namespace, on files of his own and of his subordinate ids."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from rootless.conftest import FIRST, HOME, PYTHON, RANGES, UID, Run, as_user, output

from haconiwa_core.testing.roots import busybox_root

PROGRAM = """
import sys
from pathlib import Path
from haconiwa_rootfs.provisioning import Provision
from haconiwa_rootfs.provisioning.chain import changes_of

scratch = Path("scratch")
scratch.mkdir()
print(changes_of(Provision("step", shell=sys.argv[1]), ["base"], scratch.resolve(), print))
"""


@pytest.fixture(scope="module")
def home(machine: Path) -> Path:
    if not shutil.which("busybox"):
        pytest.skip("needs busybox")
    base = busybox_root(HOME / "base")
    (base / "etc" / "removed").touch()
    for path in (base, *base.rglob("*")):
        os.chown(path, UID, UID, follow_symlinks=False)
    return HOME


def test_a_step(home: Path) -> None:
    script = "id -u; rm /etc/removed; touch /etc/made /etc/given; chown 7:8 /etc/given; stat -c %u:%g /etc/given"
    done = as_user(PYTHON, "-c", PROGRAM.replace('"base"', f'"{home}/base"'), script)
    assert done.stdout.split() == ["0", "7:8", f"{home}/scratch/upper"], done.stderr
    folder = home / "scratch" / "upper" / "etc"
    assert (folder / "made").stat().st_uid == UID
    assert (folder / "given").stat().st_uid == FIRST + 6
    removed = (folder / "removed").stat()
    assert (removed.st_rdev, (home / "base" / "etc" / "removed").exists()) == (0, True)


DEFINITION = """
name = "web"
command = ["cat", "/etc/made"]

[ns-pid]

[ns-mount]

[rootfs.strategy.shell]
script = 'cp -a "$HOME/base/." "$1"'

[[rootfs.provision]]
name = "good"
shell = "echo text > /etc/made; touch /etc/given; chown 7:8 /etc/given"

[[rootfs.provision]]
name = "last"
shell = "test ! -e /etc/bad; touch /etc/more"
"""


def test_the_command(home: Path, user: Run) -> None:
    (home / "web.toml").write_text(DEFINITION)
    assert user("create", "web.toml").returncode == 0
    assert output(user("run", "--rm", *RANGES, "web.toml")) == "text\n"
    (home / "web.toml").write_text(DEFINITION.replace("touch /etc/more", "touch /etc/bad; chown 7 /etc/bad; exit 9"))
    failed = user("provision", "web.toml")
    assert failed.returncode != 0
    assert "the step last has ended with status 9" in failed.stderr
    store = home / ".local" / "share" / "haconiwa" / "roots"
    assert list((store / "scratch").iterdir()) == []

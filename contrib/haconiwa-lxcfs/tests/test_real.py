import os
import signal
import subprocess
from pathlib import Path

import pytest
from haconiwa_lxcfs import Lxcfs
from haconiwa_lxcfs.kernel import PATHS

from haconiwa_core.errors import SetupError
from haconiwa_core.facts import FreshFilesystem, Namespace
from haconiwa_core.linux.constants import CLONE_NEWNS
from haconiwa_core.testing import needs_root, run

pytestmark = needs_root

FACTS = (
    Namespace("mnt", CLONE_NEWNS),
    FreshFilesystem("proc", "/proc", "pid"),
    FreshFilesystem("sysfs", "/sys", "net"),
)


def test_files_are_those_of_lxcfs(lxcfs: Path) -> None:
    paths = [*(f"/proc/{path}" for path in PATHS["proc"]), *(f"/sys/{path}" for path in PATHS["sysfs"])]
    command = ["stat", "--file-system", "--format", "%T", *paths, "/proc/version"]
    outcome = run(Lxcfs(directory=str(lxcfs)), command=command, facts=FACTS)
    assert outcome.stdout.split() == [*["fuseblk"] * len(paths), "proc"], outcome.stderr


def test_nobody_writes_to_them(lxcfs: Path) -> None:
    command = ["sh", "-c", "echo 1 > /sys/devices/system/cpu/online"]
    outcome = run(Lxcfs(directory=str(lxcfs)), command=command, facts=FACTS)
    assert "Read-only file system" in outcome.stderr


@pytest.mark.parametrize("there", [True, False], ids=["a directory", "nothing"])
def test_no_lxcfs(tmp_path: Path, there: bool) -> None:
    if there:
        for path in PATHS["proc"]:
            (tmp_path / "proc" / path).parent.mkdir(exist_ok=True)
            (tmp_path / "proc" / path).touch()
    with pytest.raises(SetupError) as caught:
        run(Lxcfs(directory=str(tmp_path)), command=["true"], facts=FACTS)
    assert caught.value.plugin == "lxcfs"
    assert "lxcfs does not run there" in str(caught.value)


def test_one_that_has_died(lxcfs: Path) -> None:
    pid = int(Path(lxcfs.parent, "pid").read_text())
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(SetupError) as caught:
        run(Lxcfs(directory=str(lxcfs)), command=["true"], facts=FACTS)
    subprocess.run(["umount", "--lazy", lxcfs], check=True)
    assert "lxcfs has ended" in str(caught.value)

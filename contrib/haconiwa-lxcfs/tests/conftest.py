import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def lxcfs(tmp_path: Path) -> Iterator[Path]:
    """A running lxcfs, mounted on a directory of the test's own."""
    if not shutil.which("lxcfs"):
        pytest.skip("needs lxcfs")
    directory = tmp_path / "lxcfs"
    directory.mkdir()
    command = ["lxcfs", "--foreground", "--pidfile", str(tmp_path / "pid"), str(directory)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while not directory.is_mount():
                assert process.poll() is None, "lxcfs has ended"
                time.sleep(0.01)
            yield directory
        finally:
            process.terminate()
            process.wait()
            if directory.is_mount():
                subprocess.run(["umount", "--lazy", directory], check=True)

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from haconiwa_ns_mount import MountNamespace

from haconiwa_core.testing import NamespaceConformance


class TestConformance(NamespaceConformance):
    section = "ns-mount"
    kind = "mnt"
    valid = (MountNamespace(), MountNamespace(join=os.getpid()))

    @pytest.fixture
    def handles(self, tmp_path: Path) -> Iterator[Path]:
        """The kernel wants a private mount below a mount namespace's handle."""
        subprocess.run(["mount", "--bind", tmp_path, tmp_path], check=True)
        try:
            subprocess.run(["mount", "--make-private", tmp_path], check=True)
            yield tmp_path
        finally:
            subprocess.run(["umount", tmp_path], check=True)

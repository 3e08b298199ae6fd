"""A minimal Debian in which nothing of the project was ever installed, run as a container."""

import os
import shutil
import subprocess
from pathlib import Path

from architecture.tree import ROOT

BASE = ROOT / "build" / "debian-12.tar"
"""Made once: with Python, as the README supposes, and nothing else that is not essential."""

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

DEFINITION = """\
name = "debian"
command = ["bash"]
stdin = "null"
env = {{ HOME = "/root", SSL_CERT_FILE = "{certificates}" }}

[ns-mount]
[ns-pid]
[ns-ipc]
[ns-uts]

[chroot]
root = "{root}"
read_only = false
nosuid = false
nodev = false

[mount]
proc = true
sysfs = true
dev = true
devpts = true
shm = true
masked = []
read_only = []
tmpfs = [{{ target = "/run" }}, {{ target = "/tmp", mode = 0o1777 }}]
bind = [
    {{ source = "/sys/fs/cgroup", target = "/cgroup", read_only = false }},
    {{ source = "/etc/resolv.conf", target = "/etc/resolv.conf" }},
    {{ source = "{certificates}", target = "{certificates}" }},
    {{ source = "{index}", target = "/srv/index" }},
]
"""
"""Privileged, for it is to run containers itself. With the host's network, names and certificates, for apt and pip."""


def make_base():
    """Make the archive of the root, if it has not been made before."""
    if not BASE.exists():
        BASE.parent.mkdir(exist_ok=True)
        new = BASE.with_suffix(".new.tar")
        options = ["--quiet", "--variant=minbase", "--include=python3,python3-venv"]
        subprocess.run(["mmdebstrap", *options, "bookworm", new], check=True)
        new.rename(BASE)


class Debian:
    """A root, and containers that run in it.

    Args:
        folder: is filled with the root.
        haconiwa: the program that runs the containers.
        index: the folder that they see as /srv/index.
    """

    def __init__(self, folder: Path, haconiwa: Path, index: Path) -> None:
        self.root = folder / "root"
        self.haconiwa = haconiwa
        self.index = index
        self.root.mkdir()
        subprocess.run(["tar", "--extract", "--file", BASE, "--directory", self.root], check=True)

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script of bash in a container; what it prints on either stream is its output."""
        definition = self.root.parent / "debian.toml"
        definition.write_text(DEFINITION.format(root=self.root, index=self.index, certificates=CERTIFICATES))
        command = [self.haconiwa, "run", "--rm", definition, "--", "bash", "-euc", f"exec 2>&1; {script}"]
        environment = {**os.environ, "HACONIWA_STATE": str(self.root.parent / "state")}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def copy_tree(self) -> None:
        """Put what a checkout of the project holds into /srv/tree."""
        ignored = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info")
        shutil.copytree(ROOT, self.root / "srv" / "tree", symlinks=True, ignore=ignored)

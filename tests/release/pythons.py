"""The Pythons of this machine that the distributions support."""

import os
import re
import subprocess
from functools import cache
from pathlib import Path

from architecture.tree import CORE_PROJECT

LOWEST = tuple(map(int, CORE_PROJECT["project"]["requires-python"].removeprefix(">=").split(".")))
"""That is supported: (major, minor)."""

PROBE = "import ctypes, ensurepip, ssl, sys, venv; print(*sys.version_info[:2])"


@cache
def pythons():
    """Return the supported Pythons that can make virtual environments, by their versions: programs."""
    found = {}
    for folder in (*os.environ["PATH"].split(os.pathsep), *sorted(Path.home().glob(".pyenv/versions/*/bin"))):
        for program in sorted(Path(folder).glob("python3.*")):
            if re.fullmatch(r"python3\.\d+", program.name):
                done = subprocess.run([program, "-c", PROBE], capture_output=True, text=True, check=False)
                if done.returncode == 0 and (version := tuple(map(int, done.stdout.split()))) >= LOWEST:
                    found.setdefault(version, program)
    return found


NEWEST = max(pythons())

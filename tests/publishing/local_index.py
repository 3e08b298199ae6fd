"""An index of packages in a folder, for pip's --find-links: the project's distributions and all that they need."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from architecture.tree import CORE_PROJECT, PROJECTS, ROOT

TREE = ROOT
BACKENDS = ("flit_core>=3.11,<4", "setuptools>=77", "wheel")
"""What builds the distributions."""


class Index:
    """A folder of wheels.

    Args:
        folder: filled by `build_index`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def variables(self) -> dict[str, str]:
        """Return the variables with which pip, and whoever calls it, sees this folder and no other index."""
        return {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_FIND_LINKS": str(self.folder),
            "PIP_NO_INDEX": "1",
        }


class Place:
    """A virtual environment, which pip fills from an index.

    Args:
        folder: made by this.
        index: where pip finds what it installs.
        requirements: what is installed at first.
    """

    def __init__(self, folder: Path, index: Index, *requirements: str) -> None:
        self.folder = folder
        self.index = index
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.pip("install", *requirements)

    @property
    def packages(self) -> Path:
        """Where modules are installed."""
        (found,) = self.folder.glob("lib/python3*/site-packages")
        return found

    def pip(self, *arguments: str) -> str:
        """Run pip for this environment and return what it has said."""
        # That of the interpreter which runs the tests: to install one in each environment takes seconds.
        command = [sys.executable, "-m", "pip", "--quiet", "--python", self.folder / "bin" / "python", *arguments]
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def haconiwa(self, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the command line that is installed here."""
        command = [self.folder / "bin" / "haconiwa", *arguments]
        environment = self.environment(**variables)
        return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables of a program that is run here."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.index.variables(), **more}


def build_index(folder: Path, names: Iterable[str] = (), others: Iterable[str] = ()) -> Index:
    """Fill a folder with wheels.

    Args:
        folder: made if it is missing.
        names: of distributions of the project; all of them by default. What they need comes along.
        others: requirements of whoever uses it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = {ROOT: CORE_PROJECT, **PROJECTS}
    projects = {data["project"]["name"]: (place, data["project"]) for place, data in own.items()}
    left = list(names or projects)
    wanted: dict[str, Path] = {}
    third = {*BACKENDS, *others}
    while left:
        place, project = projects[name := left.pop()]
        if name not in wanted:
            wanted[name] = place
            extras = chain.from_iterable(project.get("optional-dependencies", {}).values())
            needed = {item: _name_of(item) for item in (*project["dependencies"], *extras)}
            left += [other for other in needed.values() if other in projects]
            third |= {requirement for requirement, other in needed.items() if other not in projects}
    with ThreadPoolExecutor() as builders:
        list(builders.map(lambda place: build(place, folder), wanted.values()))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", folder, *sorted(third)]
    # From wherever this machine has its packages; wheels that pip has built once are in its cache.
    subprocess.run(command, check=True)
    return Index(folder)


def _name_of(requirement: str) -> str:
    return re.split(r"[>\[]", requirement)[0]


def build(place: Path, folder: Path) -> Path:
    """Build the wheel of a distribution's folder into another folder and return it."""
    with TemporaryDirectory(dir=folder) as built:
        subprocess.run(["uv", "build", "--quiet", "--wheel", "--out-dir", built, place], check=True)
        (wheel,) = Path(built).glob("*.whl")
        return wheel.rename(folder / wheel.name)

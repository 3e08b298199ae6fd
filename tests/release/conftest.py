"""What is to be released is built once: it lies in the folder `dist` of the tree, from where it can be uploaded."""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from architecture.tree import ROOT
from publishing.local_index import Index
from release.artefacts import FOLDERS, NAMES, build
from release.pythons import LOWEST, NEWEST, pythons

REQUIREMENTS = [*NAMES, "haconiwa-core[testing]"]


@pytest.fixture(scope="session")
def dist() -> Path:
    """All sdists, and the wheels that are made of them."""
    folder = ROOT / "dist"
    if folder.exists():
        shutil.rmtree(folder)
    build_all(folder)
    return folder


@pytest.fixture(scope="session")
def wheels(tmp_path_factory) -> Path:
    """The wheels that are made of the tree itself."""
    folder = tmp_path_factory.mktemp("wheels")
    build_all(folder, "--wheel")
    return folder


def build_all(target, *kinds):
    with ThreadPoolExecutor(2) as builders:
        list(builders.map(lambda folder: build(folder, target, *kinds), FOLDERS))


@pytest.fixture(scope="session")
def index(dist, tmp_path_factory) -> Index:
    """What is in `dist`, and all that it needs, for the lowest and the newest Python."""
    index = Index(tmp_path_factory.mktemp("index"))
    for version in {LOWEST, NEWEST} & pythons().keys():
        builder = tmp_path_factory.mktemp("builder")
        run(pythons()[version], "-m", "venv", builder)
        run(builder / "bin" / "pip", "wheel", "--find-links", dist, "--wheel-dir", index.folder, *REQUIREMENTS)
    return index


class Places:
    """Virtual environments in which all distributions are installed, from the index alone; each is made once."""

    def __init__(self, index, folder) -> None:
        self.index = index
        self.folder = folder

    def programs(self, version) -> Path:
        """Return where the programs of the environment of a Python are; skip without that Python."""
        if version not in pythons():
            pytest.skip(f"there is no Python {'.'.join(map(str, version))} here that makes virtual environments")
        place = self.folder / "-".join(map(str, version))
        if not place.exists():
            run(pythons()[version], "-m", "venv", place)
            run(place / "bin" / "pip", "install", *REQUIREMENTS, **self.index.variables())
        return place / "bin"


@pytest.fixture(scope="session")
def places(index, tmp_path_factory) -> Places:
    return Places(index, tmp_path_factory.mktemp("places"))


def run(*command, **variables):
    """Run a program that is to end well, and return what it has printed."""
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

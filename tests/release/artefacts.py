"""Build what is uploaded, and say what is wrong with it."""

import os
import subprocess
import sys
import tarfile
import zipfile
from email.parser import BytesParser
from pathlib import PurePosixPath

from architecture.tree import CORE_PROJECT, PROJECTS, ROOT
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

LICENSE = (ROOT / "LICENSE").read_bytes()
FOLDERS = [ROOT, *PROJECTS]
NAMES = sorted([CORE_PROJECT["project"]["name"], *(folder.name for folder in PROJECTS)])
PACKAGES = [name.replace("-", "_") for name in NAMES]
IN_SDISTS = {"LICENSE", "MANIFEST.in", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg", "setup.py", "src"}
"""What sdists may hold beside the package."""


def build(folder, target, *kinds):
    """Build a distribution, by default its sdist and of that its wheel; nothing in them tells the time."""
    command = ["uv", "build", "--quiet", *kinds, "--out-dir", target, folder]
    subprocess.run(command, env={**os.environ, "SOURCE_DATE_EPOCH": "1577836800"}, check=True)


def wheel_problems(file):
    """Yield what is wrong with a wheel."""
    name, version, _, tags = parse_wheel_filename(file.name)
    package = name.replace("-", "_")
    information = f"{package}-{version}.dist-info"
    contents = contents_of(file)
    for each in contents:
        path = PurePosixPath(each)
        if path.parts[0] not in (package, information) or path.suffix == ".pyc" or path.parts[1] == "tests":
            yield f"{each} is none of its business"
    if contents.get(f"{package}/py.typed") is None:
        yield "py.typed is missing"
    if contents.get(f"{information}/licenses/LICENSE") != LICENSE:
        yield "the licence is missing"
    if any(tag.platform.startswith("linux_") for tag in tags):
        yield "no index takes a wheel for any Linux: it says manylinux, musllinux, or any"
    yield from metadata_problems(contents[f"{information}/METADATA"])


def sdist_problems(file):
    """Yield what is wrong with an sdist."""
    package = parse_sdist_filename(file.name)[0].replace("-", "_")
    contents = contents_of(file)
    for each in contents:
        path = PurePosixPath(each)
        if path.parts[0] not in (*IN_SDISTS, package, f"{package}.egg-info") or path.suffix == ".pyc":
            yield f"{each} is none of its business"
    if contents.get("LICENSE") != LICENSE:
        yield "the licence is missing"
    yield from metadata_problems(contents["PKG-INFO"])


def metadata_problems(text):
    """Yield what metadata lacks of what an index shows and installers look at."""
    headers = BytesParser().parsebytes(text)
    if canonicalize_name(headers["Name"]) not in NAMES:
        yield f"the name is {headers['Name']}"
    core = CORE_PROJECT["project"]
    expected = {
        "Version": core["version"],
        "Requires-Python": core["requires-python"],
        "License-Expression": core["license"],
        "License-File": "LICENSE",
        "Description-Content-Type": "text/markdown",
    }
    for header, value in expected.items():
        if (headers[header] or "").partition(";")[0] != value:
            yield f"{header} is {headers[header]}, not {value}"
    classifiers = {
        "Typing :: Typed",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
    }
    if missing := classifiers - {*headers.get_all("Classifier", ())}:
        yield f"classifiers are missing: {', '.join(sorted(missing))}"


def contents_of(file):
    """Return the files of a wheel, or of an sdist below its folder, by their names."""
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(file) as archive:
        members = [
            (member.name.partition("/")[2], archive.extractfile(member)) for member in archive if member.isfile()
        ]
        return {name: opened.read() for name, opened in members}


def checked_by_twine(files):
    """Run what an index checks of the metadata, and return how it has ended."""
    command = [sys.executable, "-m", "twine", "check", "--strict", *files]
    return subprocess.run(command, capture_output=True, text=True, check=False)

"""The files of an installed distribution, as they are on the disk: what its RECORD says of them is not believed."""

from __future__ import annotations

import hashlib
import os
from base64 import urlsafe_b64encode
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.plugins.origin import origin_of
from haconiwa_freeze.bytecode import is_bytecode, is_foreign

METADATA = (".dist-info", ".egg-info")
"""How the folders of metadata end."""

_RECORD = "RECORD"


@dataclass(frozen=True)
class Files:
    """What a distribution consists of.

    Args:
        location: the folder that it is installed in.
        editable: the folder of the source that it is imported from; "" for one that is not editable.
        hashes: of each file its SHA-256 in hexadecimal, by its path from the location.
        findings: what should not be so, whatever has been noted about it.
    """

    location: str
    editable: str
    hashes: dict[str, str]
    findings: list[str]


def files_of(distribution: Distribution, others: Container[Path]) -> Files:
    """Return the files of a distribution, and those that lie in its packages without being its own.

    Args:
        distribution: installed.
        others: files that distributions have, so that several may share a package.

    Raises:
        HaconiwaError: its installer has left no RECORD.
    """
    if distribution.files is None:
        raise HaconiwaError(f"{distribution.name} has no RECORD of its files: install it with pip")
    location = Path(str(distribution.locate_file("")))
    source = origin_of(distribution).editable
    recorded = {
        str(file): file.hash.value if file.hash else ""
        for file in distribution.files
        if file.name != _RECORD and not is_bytecode(Path(file))
    }
    tops = [location / top for top in sorted(tops_of(distribution)) if not top.endswith(METADATA) and top != ".."]
    hashes, findings = read(location, recorded, [*tops, *(_importable(Path(source)) if source else ())])
    added = [
        f"{location / name} is in no RECORD"
        for name in hashes
        if name not in recorded and location / name not in others
    ]
    return Files(str(location), source, hashes, [*findings, *(() if source else added)])


def tops_of(distribution: Distribution) -> set[str]:
    """Return what a distribution has in the folder that it is installed in: the first part of each file's path."""
    return {file.parts[0] for file in distribution.files or ()}


def read(location: Path, recorded: Mapping[str, str], places: Iterable[Path]) -> tuple[dict[str, str], list[str]]:
    """Return the hashes of files by their paths from a location, and what is wrong with them.

    Args:
        location: a folder.
        recorded: files by their paths from there, each with its hash as a RECORD has it, or "".
        places: further files, and folders with all that is in them.
    """
    hashes: dict[str, str] = {}
    findings: list[str] = []
    found = {os.path.relpath(file, location): file for file in _everything_in(places)}
    found |= {name: Path(os.path.normpath(location / name)) for name in recorded}
    for name, file in sorted(found.items()):
        if not file.is_file():
            findings.append(f"{file} is {'no file' if file.exists() else 'missing'}")
        elif is_bytecode(file):
            if is_foreign(file):
                findings.append(f"{file} is not the bytecode of its source")
        else:
            hashes[name] = hash_of(file)
            if recorded.get(name) and recorded[name] != _in_record(hashes[name]):
                findings.append(f"{file} is not what was installed: its RECORD has another hash")
    return hashes, findings


def hash_of(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _importable(source: Path) -> list[Path]:
    """Return the packages and modules of a source, or of the folder `src` in it."""
    entries = sorted([*source.glob("*"), *source.glob("src/*")])
    return [entry for entry in entries if entry.suffix == ".py" or (entry / "__init__.py").exists()]


def _everything_in(places: Iterable[Path]) -> Iterator[Path]:
    """Yield files with their bytecode, those in folders at any depth, and links to folders."""
    for place in places:
        if place.is_dir() and not place.is_symlink():
            for folder, folders, names in os.walk(place):
                inner = [Path(folder, name) for name in (*folders, *names)]
                yield from (item for item in inner if item.is_symlink() or not item.is_dir())
        else:
            yield place
            yield from place.parent.glob(f"__pycache__/{place.stem}.*.pyc")


def _in_record(hexadecimal: str) -> str:
    """Return a hash as a RECORD has it."""
    return urlsafe_b64encode(bytes.fromhex(hexadecimal)).decode().rstrip("=")

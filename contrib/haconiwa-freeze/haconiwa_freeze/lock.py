"""The lock: which interpreter, which distributions, and the hash of each of their files. Data, as JSON has it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any, NamedTuple

from haconiwa_core.errors import HaconiwaError
from haconiwa_freeze.environment import counted
from haconiwa_freeze.files import METADATA, files_of, hash_of, read, tops_of

FORMAT = 1

Lock = dict[str, Any]


class Frozen(NamedTuple):
    """An environment as it is.

    Args:
        lock: what is noted of it.
        findings: what should not be so, whatever has been noted.
    """

    lock: Lock
    findings: list[str]


def freeze(path: Sequence[str], runs: Mapping[str, str]) -> Frozen:
    """Look at all that counts.

    Args:
        path: folders in which distributions are searched, as in `sys.path`.
        runs: the interpreter, as `own_interpreter` gives it.

    Raises:
        HaconiwaError: something is needed and missing, or has no RECORD.
        OSError: a file cannot be read.
    """
    everything = list(distributions(path=list(path)))
    others = {Path(str(file.locate())) for item in everything for file in item.files or ()}
    entries: dict[str, Any] = {}
    findings: list[str] = []
    found = counted(path)
    for name, distribution in found.items():
        files = files_of(distribution, others)
        findings += files.findings
        entries[name] = {
            "version": distribution.version,
            "location": files.location,
            "editable": files.editable,
            "sha256": _together(files.hashes),
            "files": files.hashes,
        }
    unowned: dict[str, Any] = {}
    for folder in sorted({str(item.locate_file("")) for item in found.values()}):
        unowned[folder], wrong = read(Path(folder), {}, _unowned(Path(folder), everything))
        findings += wrong
    lock = {
        "format": FORMAT,
        "interpreter": dict(runs),
        "distributions": entries,
        "unowned": unowned,
    }
    return Frozen(lock, findings)


def own_interpreter() -> dict[str, str]:
    """Return what is noted of the running interpreter."""
    version = f"{platform.python_implementation()} {platform.python_version()}"
    return interpreter(os.path.realpath(sys.executable), version, sys.prefix)


def interpreter(path: str, version: str, prefix: str) -> dict[str, str]:
    """Return what is noted of an interpreter.

    Args:
        path: of its file, whose SHA-256 is noted.
        version: in words, for it is not asked.
        prefix: the folder of the installation; the SHA-256 of its pyvenv.cfg is noted, which says where the standard
            library is, or "" where there is none.

    Raises:
        OSError: the file cannot be read.
    """
    configuration = Path(prefix, "pyvenv.cfg")
    return {
        "path": path,
        "version": version,
        "sha256": hash_of(Path(path)),
        "prefix": prefix,
        "configuration": hash_of(configuration) if configuration.exists() else "",
    }


def to_text(lock: Lock) -> str:
    """Return a lock as it is kept: the same environment gives the same text."""
    return json.dumps(lock, indent=1, sort_keys=True) + "\n"


def from_file(file: Path) -> Lock:
    """Return the lock that a file holds.

    Raises:
        HaconiwaError: it cannot be read, or holds none of this format.
    """
    try:
        lock: Lock = json.loads(file.read_text("utf-8"))
        if lock["format"] != FORMAT:
            raise ValueError(f"its format is {lock['format']}, and {FORMAT} is understood")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HaconiwaError(f"{file}: no lock can be read: {error}") from error
    return lock


def _together(hashes: Mapping[str, str]) -> str:
    """Return one hash of all files, that of what sha256sum(1) would print about them, sorted by path."""
    lines = [f"{digest}  {name}\n" for name, digest in sorted(hashes.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _unowned(folder: Path, everything: Sequence[Distribution]) -> list[Path]:
    """Return what could be imported from a folder and is no distribution's, and all its .pth files.

    Python runs those whenever it starts (site, in its library), whoever owns them.
    """
    owned = {top for item in everything if str(item.locate_file("")) == str(folder) for top in tops_of(item)}
    return [
        entry
        for entry in sorted(folder.iterdir())
        if entry.suffix == ".pth"
        or not (entry.name in owned or entry.name.endswith(METADATA) or entry.name == "__pycache__")
    ]

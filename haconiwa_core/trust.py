"""Refuse to use, as root, what somebody else could have written: definitions, the policy, and modules."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from haconiwa_core.errors import DefinitionError, Problem

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

_MAKE_PRIVATE = "chown it to root and remove write permission for group and others"

_LEADING = ("PYTHONHOME", "PYTHONPATH", "PYTHONPLATLIBDIR", "PYTHONPYCACHEPREFIX", "PYTHONUSERBASE")
"""Variables that decide what Python imports (python(1))."""

_HOME = str(Path(__file__).parents[1])


def read_trusted(file: Path) -> bytes:
    """Read a definition, if only root, or the user who called sudo, can change it or replace it.

    Ordinary users run their own code with their own rights, so nothing is checked for them.

    Raises:
        DefinitionError: the file cannot be read, or others can write it or a folder above it.
    """
    try:
        with file.open("rb") as opened:
            if os.geteuid() == 0:
                _raise(_problems(str(file), os.fstat(opened.fileno()), {0, sudo_user()}))
            return opened.read()
    except OSError as error:
        raise DefinitionError([Problem(f"cannot be read: {error.strerror}", file=str(file))]) from error


def read_of_root(file: Path) -> bytes:
    """Read a file of the system's, if only root can change it or replace it; ordinary users are told, too.

    Raises:
        OSError: it cannot be read.
        DefinitionError: others can write it or a folder above it.
    """
    with file.open("rb") as opened:
        _raise(_problems(str(file), os.fstat(opened.fileno()), {0}))
        return opened.read()


def close_search_path() -> None:
    """As root, import from now on only what is installed: nothing of the user's own, nor from where he stands.

    The folder of the program, or the working directory, and the user's own site-packages leave `sys.path`. It is for
    a program that begins; what the interpreter has imported by then cannot be taken back.

    Raises:
        DefinitionError: a variable decides what is imported, or this package is in one of those folders.
    """
    if os.geteuid() != 0:
        return
    named = [] if sys.flags.ignore_environment else [name for name in _LEADING if os.environ.get(name)]
    _raise(
        [
            Problem(
                f"refused, for it would run as root: ${name} decides what is imported",
                hint=f"unset it, or install what is needed: `env -u {name} haconiwa ...`",
            )
            for name in named
        ]
    )
    import site

    found = sys.path if sys.flags.safe_path else sys.path[1:]
    kept = [folder for folder in found if folder != site.USER_SITE]
    if _HOME in sys.path and _HOME not in kept:
        hint = "install haconiwa-core for the whole system, or into a virtual environment"
        raise DefinitionError([Problem(f"refused, for root does not import from {_HOME}", hint=hint)])
    sys.path[:] = kept


def check_search_path(folders: Sequence[str]) -> None:
    """As root, refuse to import from folders that others can write: their modules would replace ours.

    Args:
        folders: as in `sys.path`; those that do not exist are left out.

    Raises:
        DefinitionError: others can write a folder, or a folder above it.
    """
    _raise([problem for folder in folders for problem in _problems_of_folder(folder)])


def trusted_search_path(folders: Sequence[str]) -> list[str]:
    """Return the folders that `check_search_path` has nothing against, for a process that is started from here."""
    return [folder for folder in folders if os.path.exists(folder) and not _problems_of_folder(folder)]


def check_module(name: str, metadata: str = "") -> None:
    """As root, refuse to import a module if others can write a file of the package that it is in.

    What the package imports in its turn is looked at only as far as `check_search_path` does.

    Args:
        name: of the module.
        metadata: the folder of its distribution's metadata, which is looked at, too; "" where there is none.

    Raises:
        DefinitionError: others can write a file or a folder in the package, or a folder above it.
    """
    if os.geteuid() == 0:
        top = name.partition(".")[0]
        found = (finder.find_spec(top, None) for finder in sys.meta_path)
        check_found(next(filter(None, found), None), metadata)


def check_found(spec: ModuleSpec | None, *more: str) -> None:
    """As root, refuse what is found for a module, as `check_module` does.

    Args:
        spec: None where nothing is found.
        more: files and folders that are looked at, too; "" is none.
    """
    if os.geteuid() == 0:
        _raise([problem for place in (*_places(spec), *filter(None, more)) for problem in _problems_below(place)])


def sudo_user() -> int:
    """Return the user who called sudo, 0 where nobody did: as root, `SUDO_UID` can be believed."""
    text = os.environ.get("SUDO_UID", "")
    return int(text) if text.isascii() and text.isdigit() else 0


def _problems_of_folder(folder: str) -> list[Problem]:
    place = folder or "."
    if os.geteuid() != 0 or not os.path.exists(place):
        return []
    return _problems(place, os.stat(place), {0, sudo_user()})


def _places(spec: ModuleSpec | None) -> Sequence[str]:
    """Return the folders of a package, or the files of a module."""
    if spec and spec.submodule_search_locations:
        return spec.submodule_search_locations
    files = (spec.origin, spec.cached) if spec and spec.has_location else ()
    return [file for file in files if file and os.path.exists(file)]


def _problems_below(place: str) -> Iterator[Problem]:
    """Yield what is wrong with a file, or a folder and all that is in it."""
    trusted = {0, sudo_user()}
    yield from _problems(place, os.stat(place), trusted)
    for folder, folders, files in os.walk(place):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            # Other processes write bytecode under one name and give it another.
            with suppress(FileNotFoundError):
                status = os.lstat(path)
                if stat.S_ISLNK(status.st_mode):
                    yield from _problems(path, os.stat(path), trusted)
                elif complaint := _complaint(status, trusted, is_above=False):
                    yield _refused(path, path, complaint)


def _raise(problems: list[Problem]) -> None:
    if problems:
        raise DefinitionError(problems)


def _problems(file: str, status: os.stat_result, trusted: set[int]) -> list[Problem]:
    path = os.path.realpath(file)
    places = [(path, status, False)]
    while path != "/":
        path = os.path.dirname(path)
        places.append((path, os.stat(path), True))
    return [
        _refused(file, place, complaint)
        for place, found, is_above in places
        if (complaint := _complaint(found, trusted, is_above=is_above))
    ]


def _refused(file: str, place: str, complaint: str) -> Problem:
    return Problem(f"refused, for it would run as root: {place} {complaint}", file=file, hint=_MAKE_PRIVATE)


def _complaint(status: os.stat_result, trusted: set[int], *, is_above: bool) -> str:
    if status.st_uid not in trusted:
        return f"belongs to user {status.st_uid}"
    # In a sticky folder of root, others can neither remove nor replace what is not theirs.
    sticky = is_above and status.st_mode & stat.S_ISVTX and status.st_uid == 0
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
        return f"can be written by others (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""

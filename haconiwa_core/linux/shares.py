"""What several instances share, such as a bridge: its members are files, and with the last one it is removed.

A member is a hard link of a note in the instance's directory, so that nobody takes another's for its own.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from haconiwa_core.linux.netlink import UNFINISHED, send_noted

_REMOVAL = "removal-"


def join_share(folder: str, member: str, name: str, directory: str) -> bool:
    """Become a member of a share; `leave_share` is the undo (link(2)).

    Args:
        folder: of the share, on the file system of the instance's directory; made if it is missing.
        member: the name under which it is joined, without "/".
        name: of the note that is made for it, without "/".
        directory: the instance's own.

    Returns:
        Whether the member's name was free.
    """
    note, place = _note(name, directory), Path(folder, member)
    note.write_text(str(place), encoding="utf-8")
    with _locked(place.parent.parent):
        place.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            place.hardlink_to(note)
        except FileExistsError:
            return False
    return True


def leave_share(name: str, directory: str) -> None:
    """Give up what an instance is of a share, and remove the share with its last member.

    Nothing happens if it is no member.

    Args:
        name: as that of `join_share`.
        directory: the instance's own.
    """
    note = _note(name, directory)
    if not note.exists():
        return
    # A crash while it was noted leaves the note empty; nothing was joined then.
    place = Path(note.read_text(encoding="utf-8") or note)
    if place != note:
        with _locked(place.parent.parent):
            if place.exists() and place.samefile(note):
                place.unlink()
            _remove_unused(place.parent)
    note.unlink()


def removal_note(name: str, folder: str) -> Path:
    """Return the file that says which messages remove a part of a share; see `note_messages`."""
    return Path(folder, f"{_REMOVAL}{name}")


def _remove_unused(folder: Path) -> None:
    names = os.listdir(folder) if folder.exists() else ()
    if all(name.startswith(_REMOVAL) for name in names):
        for name in names:
            # A crash while it was noted leaves an incomplete one; nothing was done then.
            if name.endswith(UNFINISHED):
                (folder / name).unlink()
            else:
                send_noted(folder / name)
        with suppress(FileNotFoundError):
            folder.rmdir()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _note(name: str, directory: str) -> Path:
    return Path(directory, f"share-{name}")

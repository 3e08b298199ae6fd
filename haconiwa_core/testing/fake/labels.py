"""Labels of security modules, in the fake kernel (apparmor(7))."""

from __future__ import annotations

_EXEC = "/attr/apparmor/exec"
_COMMAND = "exec "


def shown_as(path: str, written: str) -> str:
    """Return what a file tells after it was written; every profile is loaded in enforce mode.

    Args:
        path: of the file.
        written: its new content.
    """
    if path.endswith(_EXEC) and written.startswith(_COMMAND):
        return f"{written.removeprefix(_COMMAND)} (enforce)"
    return written

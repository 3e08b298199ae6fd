"""Whether bytecode comes of the source beside it: Python runs it in the place of that (PEP 3147, PEP 552)."""

from __future__ import annotations

import sys
from importlib.machinery import SourcelessFileLoader
from importlib.util import MAGIC_NUMBER, source_from_cache, source_hash
from pathlib import Path

_HEADER = 16
_BY_HASH, _CHECKED = 1, 2
"""Flags of the header."""


def is_bytecode(file: Path) -> bool:
    """Return whether Python keeps a file as the bytecode of another."""
    return file.parent.name == "__pycache__" and file.suffix == ".pyc"


def is_foreign(file: Path) -> bool:
    """Return whether this interpreter would run a file, and would get something else than from its source.

    What another version of Python would run is not looked at; nor what this one would not take, for it is older.
    """
    tag, _, optimized = file.stem.partition(".")[2].partition(".")
    if tag != sys.implementation.cache_tag:
        return False
    source = Path(source_from_cache(str(file)))
    # Without its source it is not imported.
    if not source.exists():
        return False
    code = source.read_bytes()
    if not _is_taken(file.read_bytes()[:_HEADER], source, code):
        return False
    try:
        kept = SourcelessFileLoader(source.stem, str(file)).get_code(source.stem)
        made = compile(code, str(source), "exec", dont_inherit=True, optimize=int(optimized.removeprefix("opt-") or 0))
    except (EOFError, ImportError, SyntaxError, TypeError, ValueError):
        return True
    return bool(kept != made)


def _is_taken(header: bytes, source: Path, code: bytes) -> bool:
    magic, flags, rest = header[:4], int.from_bytes(header[4:8], "little"), header[8:]
    if magic != MAGIC_NUMBER:
        return False
    if not flags & _BY_HASH:
        status = source.stat()
        number = (int(status.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little")
        return rest == number + (status.st_size & 0xFFFFFFFF).to_bytes(4, "little")
    return not flags & _CHECKED or rest == source_hash(code)

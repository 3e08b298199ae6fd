"""Kernel parameters in the namespaces of a live process (proc_sys(5))."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared, unknown
from haconiwa_core.linux.constants import CLONE_NEWIPC, CLONE_NEWNET
from haconiwa_sysctl import Sysctl
from haconiwa_sysctl.names import namespace_of, path_of

_FLAGS = {"ipc": CLONE_NEWIPC, "net": CLONE_NEWNET}


def rows(feature: Sysctl | None, confined: Confined) -> Iterator[Row]:
    """Yield a row for each parameter that is given; where none is, one that says so."""
    if feature is None or not feature.values:
        yield unknown(Sysctl.section, "kernel parameters", "", "none is set")
        return
    for name, value in feature.values.items():
        yield _parameter(name, str(value), confined)


def _parameter(name: str, value: str, confined: Confined) -> Row:
    what, asked = f"sysctl {name}", " ".join(value.split())
    file, kind = Path("/proc/sys", path_of(name)), namespace_of(path_of(name))
    if kind not in _FLAGS:
        return unknown(Sysctl.section, what, asked, f"no thread can look into the {kind} namespace of another process")
    try:
        # Whoever reads it is told the value in his own namespace.
        in_force = confined.inside(file.read_text, kind, _FLAGS[kind])
    except (FileNotFoundError, PermissionError) as error:
        return unknown(Sysctl.section, what, asked, f"{file} in its namespace: {error.strerror}")
    return compared(Sysctl.section, what, asked, _words(in_force), _host(file), f"{file} in its namespace")


def _host(file: Path) -> str:
    try:
        return _words(file.read_text())
    except FileNotFoundError:
        return ""


def _words(text: str) -> str:
    return " ".join(text.split())

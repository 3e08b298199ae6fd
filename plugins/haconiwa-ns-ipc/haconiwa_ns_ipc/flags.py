"""docker's flag `--ipc`."""

from __future__ import annotations

from haconiwa_core.cli.namespaces import namespace_flag
from haconiwa_ns_ipc import IpcNamespace

SECTION = IpcNamespace.section
FLAGS, options = namespace_flag("ipc", new="private")

"""docker's flag `--pid`."""

from __future__ import annotations

from haconiwa_core.cli.namespaces import namespace_flag
from haconiwa_ns_pid import PidNamespace

SECTION = PidNamespace.section
FLAGS, options = namespace_flag("pid", new="private")

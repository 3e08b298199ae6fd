"""docker's flag `--network`."""

from __future__ import annotations

from haconiwa_core.cli.namespaces import namespace_flag
from haconiwa_ns_net import NetNamespace

SECTION = NetNamespace.section
FLAGS, options = namespace_flag("network", new="none")

"""docker's flag `--userns`."""

from __future__ import annotations

from haconiwa_core.cli.namespaces import namespace_flag
from haconiwa_ns_user import UserNamespace

SECTION = UserNamespace.section
FLAGS, options = namespace_flag("userns", new="private")

"""docker's flag `--cgroupns`."""

from __future__ import annotations

from haconiwa_core.cli.namespaces import namespace_flag
from haconiwa_ns_cgroup import CgroupNamespace

SECTION = CgroupNamespace.section
FLAGS, options = namespace_flag("cgroupns", new="private")

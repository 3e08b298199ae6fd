"""Support for the tests of the core and of plugins: plans of a made-up host, real containers, shared checks.

Needs pytest, which the extra `haconiwa-core[testing]` installs. Nothing that runs containers imports it.
"""

from haconiwa_core.testing.conformance import Conformance, options_table, readme_of
from haconiwa_core.testing.fake.kernel import FakeKernel
from haconiwa_core.testing.fake.mounts import Executed
from haconiwa_core.testing.fake.program import Failed, run_program
from haconiwa_core.testing.fake.state import host_files_with
from haconiwa_core.testing.forks import become, fork, forked
from haconiwa_core.testing.launchers import ResidentConformance
from haconiwa_core.testing.namespaces import NamespaceConformance
from haconiwa_core.testing.needs import (
    needs_landlock,
    needs_namespace,
    needs_program,
    needs_root,
    needs_security_module,
)
from haconiwa_core.testing.plans import functions, host, plan_of, planned_steps, plugins, problems_of
from haconiwa_core.testing.roots import busybox_root
from haconiwa_core.testing.running import Outcome, run, run_attached, started

__all__ = [
    "Conformance",
    "Executed",
    "Failed",
    "FakeKernel",
    "NamespaceConformance",
    "Outcome",
    "ResidentConformance",
    "become",
    "busybox_root",
    "fork",
    "forked",
    "functions",
    "host",
    "host_files_with",
    "needs_landlock",
    "needs_namespace",
    "needs_program",
    "needs_root",
    "needs_security_module",
    "options_table",
    "plan_of",
    "planned_steps",
    "plugins",
    "problems_of",
    "readme_of",
    "run",
    "run_attached",
    "run_program",
    "started",
]

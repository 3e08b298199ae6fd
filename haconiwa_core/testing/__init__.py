"""Support for the tests of the core and of plugins: plans of a made-up host, real containers, shared checks.

Needs pytest, which the extra `haconiwa-core[testing]` installs. Nothing that runs containers imports it.

It is a plugin of pytest as well, with the fixtures of `haconiwa_core.testing.fixtures`, for whoever names it in
the configuration (`addopts = "-p haconiwa_core.testing"`). It is no entry point of the group "pytest11": pytest would
load it in every test run of everybody who has Haconiwa installed, and rewrite the assertions of the whole core.
"""

from haconiwa_core.testing.commands import haconiwa_command
from haconiwa_core.testing.conformance import Conformance
from haconiwa_core.testing.fake.kernel import FakeKernel
from haconiwa_core.testing.fake.mounts import Executed
from haconiwa_core.testing.fake.program import Failed, run_program
from haconiwa_core.testing.fake.state import host_files_with
from haconiwa_core.testing.forks import become, fork, forked, give_up_capabilities
from haconiwa_core.testing.launchers import ResidentConformance
from haconiwa_core.testing.namespaces import NamespaceConformance
from haconiwa_core.testing.needs import (
    needs_capability,
    needs_landlock,
    needs_namespace,
    needs_program,
    needs_root,
    needs_security_module,
)
from haconiwa_core.testing.plans import all_plugins, functions, host, plan_of, planned_steps, problems_of
from haconiwa_core.testing.readmes import options_table, readme_of
from haconiwa_core.testing.roots import busybox_root
from haconiwa_core.testing.running import Outcome, run, run_attached, started

pytest_plugins = ("haconiwa_core.testing.fixtures",)

__all__ = [
    "Conformance",
    "Executed",
    "Failed",
    "FakeKernel",
    "NamespaceConformance",
    "Outcome",
    "ResidentConformance",
    "all_plugins",
    "become",
    "busybox_root",
    "fork",
    "forked",
    "functions",
    "give_up_capabilities",
    "haconiwa_command",
    "host",
    "host_files_with",
    "needs_capability",
    "needs_landlock",
    "needs_namespace",
    "needs_program",
    "needs_root",
    "needs_security_module",
    "options_table",
    "plan_of",
    "planned_steps",
    "problems_of",
    "readme_of",
    "run",
    "run_attached",
    "run_program",
    "started",
]

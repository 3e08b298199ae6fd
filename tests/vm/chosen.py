"""Run in the virtual machine what it is for: the tests that the kernel decides, and none of them skipped in silence.

Nothing here is named like a test, so that it is run only there.
"""

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PAIRS = "tests/system/test_pairs.py"
FILES = (
    "tests/vm/inside.py",
    "tests/system/test_everything.py",
    PAIRS,
    *(f"plugins/haconiwa-cgroup/tests/test_{name}.py" for name in ("bpf", "delegation", "lifecycle", "update")),
    *(
        f"plugins/haconiwa-{name}/tests/test_real.py"
        for name in ("apparmor", "capabilities", "cgroup", "ns-cgroup", "rlimit")
    ),
    "contrib/haconiwa-hardened/tests/test_real.py",
    *(f"tests/rootless/test_{name}.py" for name in ("apparmor", "cgroups")),
    "tests/rootless/test_scope.py::test_limits_are_in_force_there",
    "tests/network/test_network.py::test_a_part_of_a_device",
)
"""Those whose outcome depends on what hosts may lack; a program takes some 20 times as long as there."""

ELSEWHERE = {
    "this host has no hierarchy": "only version 2 is there",
    "the top has turned the controller on": "as it has every other",
    "may raise every limit": "every capability is there",
}
"""Why a test may be skipped here, by a part of the reason that it gives."""

LACKING = {"apparmor", "cgroup"}
"""Features that other hosts may not have, or not in this form: the pairs are those with one of them."""


class Choice:
    """What is run of the files, and that it is run."""

    def pytest_collection_modifyitems(self, items: list[pytest.Function]) -> None:
        """Leave out the pairs that any host can try."""
        items[:] = [
            item for item in items if item.path != ROOT / PAIRS or LACKING & {*item.callspec.params.get("group", ())}
        ]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Let a test fail that is skipped without need."""
        report = yield
        if report.skipped and not any(reason in str(report.longrepr) for reason in ELSEWHERE):
            report.outcome = "failed"
            report.longrepr = f"skipped where it should run: {report.longrepr}"
        return report


if __name__ == "__main__":
    subprocess.run(["apparmor_parser", "--replace", "--skip-cache", ROOT / "tests/vm/profile"], check=True)
    sys.exit(pytest.main(["-p", "no:cacheprovider", *FILES, *sys.argv[1:]], [Choice()]))

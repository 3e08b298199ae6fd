"""Each finding: the container that has it does the harm, and with the remedy it has neither."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from audit.harms import Attempt, compiled
from audit.rows import ROWS, STRONG, Row, at
from haconiwa_audit.findings import CHECKS
from haconiwa_audit.report import audit
from haconiwa_chroot import Chroot
from haconiwa_hardened import Hardened
from hypothesis import given, settings, strategies as st
from system.world import PLUGINS, planned, started

from haconiwa_core.container import Container
from haconiwa_core.errors import DefinitionError
from haconiwa_core.feature import Feature
from haconiwa_core.planning.plan import Plan
from haconiwa_core.testing import plan_of

REFUSED = 1
KILLED = 128 + 9


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("harm"))


@pytest.fixture
def armed(root: Path, program: Path) -> Path:
    """A root directory with the program that tries to do harm."""
    shutil.copy(program, root / "harm")
    (root / "tmp").chmod(0o1777)
    return root


def codes(plan: Plan) -> set[str]:
    return {finding.code for finding in audit(plan, PLUGINS).findings}


def container(root: Path, features: Sequence[Feature], attempt: Attempt) -> Container:
    found = at(root, features)
    inside = any(isinstance(feature, Chroot) for feature in found)
    return Container("weak", ["/harm" if inside else str(root / "harm"), *attempt.words], found)


def is_done(plan: Plan, attempt: Attempt) -> bool:
    """Try it, and return whether it has come to harm; anything but a refusal is an error."""
    null = os.open(os.devnull, os.O_RDONLY)
    sink = os.memfd_create("output")
    try:
        streams = {"stdin": null if attempt.terminal is None else attempt.terminal, "stdout": sink, "stderr": sink}
        running = started(plan, streams)
        status = running.wait()
        running.remove()
        output = os.pread(sink, 1 << 20, 0).decode(errors="replace")
    finally:
        os.close(null)
        os.close(sink)
    assert status in (0, REFUSED, KILLED), (status, output)
    return status == 0 and attempt.output in output and attempt.seen()


def named(row: Row) -> str:
    return row.code


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_the_harm_is_done_until_it_is_closed(row: Row, armed: Path) -> None:
    with row.harm(armed) as attempt:
        plan = planned(container(armed, row.weak, attempt))
        if row.code == "CGROUP1-USERNS" and all(tree.version == 2 for tree in plan.host.cgroups):
            pytest.skip("needs a hierarchy of control groups of version 1")
        assert row.code in codes(plan)
        assert is_done(plan, attempt)
    for remedy in row.remedies:
        with row.harm(armed) as attempt:
            plan = planned(container(armed, (*row.weak, *remedy), attempt))
            assert row.code not in codes(plan), remedy
            assert not is_done(plan, attempt), remedy


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_where_nothing_is_found_no_harm_is_done(row: Row, armed: Path) -> None:
    with row.harm(armed) as attempt:
        plan = planned(container(armed, STRONG, attempt))
        assert codes(plan) == set()
        assert not is_done(plan, attempt)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, set()),
        ({"ids": "host"}, {"ROOT-ON-HOST"}),
        ({"network": "host"}, {"HOST-NETWORK"}),
        ({"memory": "max", "pids": "max"}, {"NO-MEMORY-LIMIT", "NO-PIDS-LIMIT"}),
    ],
)
def test_the_hardened_profile_has_what_it_is_asked_for(options: dict[str, str], expected: set[str]) -> None:
    assert codes(planned(Container("hardened", ["true"], [Hardened(root="/srv", **options)]))) == expected


@settings(deadline=None)
@given(st.data())
def test_any_container_can_be_audited(data: st.DataObject) -> None:
    choices = [feature for row in ROWS for each in (STRONG, row.weak, *row.remedies) for feature in each]
    chosen = data.draw(st.lists(st.sampled_from(choices)))
    try:
        plan = plan_of(*at(Path("/srv"), chosen))
    except DefinitionError:
        return
    report = audit(plan, PLUGINS)
    assert len({finding.code for finding in report.findings}) == len(report.findings)


def test_every_finding_has_its_harm() -> None:
    assert {check.finding.code for check in CHECKS} <= {row.code for row in ROWS}

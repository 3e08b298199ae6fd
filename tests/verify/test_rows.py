"""The rows that attempts speak for are those that plugins have."""

from pathlib import Path

from haconiwa_audit import Audit
from haconiwa_cgroup import Cgroup
from haconiwa_landlock import Landlock
from haconiwa_verify import asked, verify_started
from haconiwa_verify.asked import Asked
from haconiwa_verify.attempts import ATTEMPTS
from haconiwa_verify.containers import asked_of
from haconiwa_verify.scene import Scene
from system.world import PLUGINS, everything
from verify.reports import report_of

from haconiwa_core.container import Container
from haconiwa_core.plugins.discovery import GROUP, Installed, installed
from haconiwa_core.plugins.entrypoints import EntryPoint
from haconiwa_core.plugins.loading import Plugins

RESTRICTING = Landlock(read=[], connect_tcp=[], scope=["signal"], unrestricted=("truncate", "ioctl_dev", "execute"))


def test_each_row_that_is_spoken_for_is_there(root):
    features = [*everything(root, shifted=True), Cgroup(memory="256M", pids=64)]
    report = report_of(features)
    assert report.holds
    there = {row.what for row in report.rows}
    named = {value for name, value in vars(asked).items() if name.isupper() and isinstance(value, str)}
    assert named <= there
    assert {row for outcome in report.outcomes for row in outcome.rows} <= there


def test_each_attempt_speaks_for_a_row_of_some_container(root):
    """What nothing can promise to deny would not have to be tried."""
    spoken = set()
    for features in (everything(root, shifted=True), [RESTRICTING, Audit()]):
        plan = asked_of(Container("asked", ["x"], features), PLUGINS)
        with Scene(Asked(plan)) as scene:
            spoken |= {attempt.name for attempt in ATTEMPTS if attempt.rows(scene)}
    assert spoken == {attempt.name for attempt in ATTEMPTS}


def test_names_are_single():
    names = [attempt.name for attempt in ATTEMPTS]
    assert len(set(names)) == len(names)


def test_rows_of_a_plugin_of_somebody_else_are_there(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "conformance/lamp")
    plugins = Plugins([*installed(), Installed(EntryPoint("lamp", "haconiwa_lamp.plugin", GROUP))])
    lamp = plugins.feature_class("lamp")
    for features, state in ([], "unasked"), ([lamp(level=0o027)], "holds"):
        report = verify_started(asked_of(Container("asked", ["x"], features), plugins), plugins)
        (row,) = [row for row in report.rows if row.section == "lamp"]
        assert row.state == state

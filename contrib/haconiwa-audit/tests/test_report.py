"""Other plugins' findings, by the hook."""

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
from haconiwa_audit.report import audit

from haconiwa_core.errors import PluginError
from haconiwa_core.feature import Feature
from haconiwa_core.finding import Finding
from haconiwa_core.plugins.discovery import GROUP, Installed, State, installed
from haconiwa_core.plugins.entrypoints import EntryPoint
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.testing import plan_of

OWN = [item for item in installed() if item.name == "audit"]
FINDING = Finding("OF-ANOTHER", "what", "why", "remedy", "other")


class Other(Feature):
    """The feature of another plugin."""

    section = "other"


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Installed:
    module = ModuleType("haconiwa_other_of_test")

    @hookimpl
    def haconiwa_feature() -> type[Feature]:
        return Other

    @hookimpl
    def haconiwa_findings() -> Iterator[Finding]:
        yield FINDING

    module.haconiwa_feature = haconiwa_feature
    module.haconiwa_findings = haconiwa_findings
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return Installed(EntryPoint("other", module.__name__, GROUP))


def test_every_plugin_is_asked(other: Installed) -> None:
    report = audit(plan_of(), Plugins([other, *OWN]))
    assert report.container == "test"
    assert report.findings[-1] == FINDING
    assert report.findings[:-1] == audit(plan_of(), Plugins(OWN)).findings
    accepted = audit(plan_of(), Plugins([other, *OWN]), ["OF-ANOTHER"])
    assert accepted.accepted == (FINDING,)
    assert accepted.findings == report.findings[:-1]


def test_a_disabled_plugin_is_not_asked(other: Installed) -> None:
    report = audit(plan_of(), Plugins([other._replace(state=State.DISABLED), *OWN]))
    assert FINDING not in report.findings


def test_a_broken_plugin_ends_it() -> None:
    broken = Installed(EntryPoint("broken", "haconiwa_not_there", GROUP))
    with pytest.raises(PluginError, match="plugin broken is broken"):
        audit(plan_of(), Plugins([broken, *OWN]))

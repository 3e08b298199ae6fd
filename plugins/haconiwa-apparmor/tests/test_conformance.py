import pytest
from haconiwa_apparmor import AppArmor

from haconiwa_core.testing import Conformance, needs_security_module


class TestConformance(Conformance):
    section = "apparmor"
    valid = (AppArmor("haconiwa-test"),)
    needs = (needs_security_module("apparmor"),)

    @pytest.fixture
    def suitable_host(self, request: pytest.FixtureRequest) -> None:
        self.skip_on_other_hosts()
        request.getfixturevalue("profiles")

from pathlib import Path

import pytest
from haconiwa_apparmor import AppArmor

from haconiwa_core.testing import Conformance, needs_root, needs_security_module


class TestConformance(Conformance):
    section = "apparmor"
    valid = (AppArmor("haconiwa-test"),)

    @needs_root
    @needs_security_module("apparmor")
    @pytest.mark.usefixtures("profiles")
    def test_undo_is_complete_and_idempotent(self, tmp_path: Path) -> None:
        super().test_undo_is_complete_and_idempotent(tmp_path)

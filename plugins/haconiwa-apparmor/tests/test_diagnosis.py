"""What is said of a host follows from its security modules and its profiles."""

from __future__ import annotations

from pathlib import Path

import pytest
from haconiwa_apparmor import diagnosis

from haconiwa_core.testing import host


@pytest.mark.parametrize(
    ("lsms", "profiles", "state", "meaning"),
    [
        (("landlock",), "", "missing", "AppArmor is not active"),
        (("apparmor",), "", "degraded", "none is loaded"),
        (("apparmor",), "one (enforce)\ntwo (complain)\n", "ok", "2 are loaded"),
    ],
)
def test_profiles(
    lsms: tuple[str, ...], profiles: str, state: str, meaning: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "profiles").write_text(profiles)
    monkeypatch.setattr(diagnosis, "_PROFILES", tmp_path / "profiles")
    monkeypatch.setattr(diagnosis, "_ACTIVE", tmp_path / "absent")
    given = host(lsms=lsms)
    (found,) = diagnosis.diagnose(given)
    assert (found.state, found.meaning, bool(found.remedy)) == (state, meaning, state != "ok")


def test_active_where_nobody_can_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "enabled").write_text("Y\n")
    monkeypatch.setattr(diagnosis, "_ACTIVE", tmp_path / "enabled")
    given = host(lsms=())
    (found,) = diagnosis.diagnose(given)
    assert (found.state, found.meaning) == (
        "missing",
        "AppArmor is active, but securityfs is not mounted, so that nobody can tell",
    )
    assert "mount securityfs" in found.remedy

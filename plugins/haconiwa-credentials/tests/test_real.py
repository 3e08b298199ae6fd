import os
import stat
from pathlib import Path

import pytest
from haconiwa_credentials import Credentials

from haconiwa_core.testing import needs_root, run

pytestmark = needs_root


def status(feature: Credentials) -> dict[str, str]:
    text = run(feature, command=["cat", "/proc/self/status"]).stdout
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def test_all_ids_are_set_and_no_group_is_left() -> None:
    found = status(Credentials(uid=1234, gid=2345, groups=[7, 5]))
    assert found["Uid"].split() == ["1234"] * 4
    assert found["Gid"].split() == ["2345"] * 4
    assert sorted(found["Groups"].split()) == ["5", "7"]


def test_the_callers_groups_do_not_come_along() -> None:
    former = os.getgroups()
    os.setgroups([4242])
    try:
        assert status(Credentials())["Groups"] == ""
        assert status(Credentials(uid=1234))["Groups"] == ""
    finally:
        os.setgroups(former)


def test_another_user_has_no_capabilities() -> None:
    found = status(Credentials(uid=1234))
    assert {int(found[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}


def test_it_cannot_go_back() -> None:
    outcome = run(Credentials(uid=1234), command=["setpriv", "--reuid", "0", "true"])
    assert outcome.exit_status != 0


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o027, 0o777])
def test_new_files_have_the_mask(mask: int, tmp_path: Path) -> None:
    run(Credentials(umask=mask), command=["touch", str(tmp_path / "new")])
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o666 & ~mask

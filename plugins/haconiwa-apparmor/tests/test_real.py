import errno
from pathlib import Path

import pytest
from haconiwa_apparmor import AppArmor

from haconiwa_core.errors import SetupError
from haconiwa_core.feature import Feature
from haconiwa_core.isolation.confined import Confined
from haconiwa_core.runtime.record import Process
from haconiwa_core.testing import (
    all_plugins,
    needs_root,
    needs_security_module,
    plan_of,
    run,
    run_attached,
    started,
)

pytestmark = [needs_root, needs_security_module("apparmor")]

CURRENT = "/proc/thread-self/attr/apparmor/current"


def in_a_container(how: str, features: tuple[Feature, ...], *command: str) -> tuple[int, str]:
    if how == "start":
        outcome = run(*features, command=command)
    else:
        with started(*features) as running:
            outcome = run_attached(running, *features, command=command)
    return outcome.exit_status, outcome.stdout.strip()


@pytest.mark.parametrize("how", ["start", "attach"])
def test_the_command_runs_under_the_profile(profiles: tuple[str, str], how: str) -> None:
    name = profiles[0]
    assert in_a_container(how, (AppArmor(name),), "cat", CURRENT) == (0, f"{name} (enforce)")
    assert in_a_container(how, (), "cat", CURRENT) == (0, Path(CURRENT).read_text().strip())


@pytest.mark.parametrize("how", ["start", "attach"])
def test_the_profile_is_in_force(profiles: tuple[str, str], how: str, tmp_path: Path) -> None:
    for name in ("forbidden", "allowed"):
        (tmp_path / name).write_text(name)
    features = (AppArmor(profiles[0]),)
    assert in_a_container(how, features, "cat", str(tmp_path / "allowed")) == (0, "allowed")
    assert in_a_container(how, features, "cat", str(tmp_path / "forbidden")) == (1, "")
    assert in_a_container(how, (), "cat", str(tmp_path / "forbidden")) == (0, "forbidden")


def test_descendants_are_confined_too(profiles: tuple[str, str]) -> None:
    script = f"(cat {CURRENT}); true"
    assert in_a_container("start", (AppArmor(profiles[0]),), "sh", "-c", script)[1] == f"{profiles[0]} (enforce)"


def test_a_profile_that_only_complains_is_no_confinement(profiles: tuple[str, str]) -> None:
    complaining = profiles[1]
    with pytest.raises(SetupError) as caught:
        run(AppArmor(complaining), command=["true"])
    assert (caught.value.plugin, caught.value.stage) == ("apparmor", "CONFINE")
    assert "another mode" in caught.value.remedy
    assert run(AppArmor(complaining, mode="complain"), command=["true"]).exit_status == 0


def test_a_profile_that_is_not_loaded() -> None:
    with pytest.raises(SetupError) as caught:
        run(AppArmor("haconiwa-no-such-profile"), command=["true"])
    assert (caught.value.plugin, caught.value.stage, caught.value.errno) == ("apparmor", "CONFINE", errno.ENOENT)
    assert "apparmor_parser" in caught.value.remedy


def test_the_row_is_what_the_kernel_says(profiles: tuple[str, str]) -> None:
    name, other = profiles
    with started(AppArmor(name)) as running, Confined(Process.of(running.pid)) as confined:
        inside = Path(f"/proc/{running.pid}/attr/apparmor/current").read_text().strip()
        found, wrong, unasked = (
            all_plugins().isolation("apparmor", feature, plan_of(), confined)
            for feature in (AppArmor(name), AppArmor(other, mode="complain"), None)
        )
    assert [(row.in_force, row.state) for row in found] == [(inside, "holds")]
    assert [(row.state, row.asked) for row in wrong] == [("fails", f"{other} (complain)")]
    assert [row.state for row in unasked] == ["unasked"]

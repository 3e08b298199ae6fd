"""What is found agrees with the host, and changes with it."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from haconiwa_doctor import kernel
from haconiwa_doctor.checks import GROUPS, caller, cgroups, filesystems, installation, namespaces
from haconiwa_doctor.report import examine, is_fine

from haconiwa_core.diagnosis import Diagnosis
from haconiwa_core.host import gather
from haconiwa_core.linux.constants import CAP_SYS_RESOURCE, CloneFlag
from haconiwa_core.testing import become, forked, give_up_capabilities, haconiwa_command, needs_program, needs_root

NOBODY = 65534
UTIL_LINUX = {"mnt": "mount", **{kind: kind for kind in ("uts", "ipc", "net", "pid", "cgroup", "time")}}


def found(*checks: Callable[[], object]) -> dict[str, Diagnosis]:
    return {item.name: item for check in checks for item in check()}


def within(action: Callable[[], dict[str, Diagnosis]], before: Callable[[], object]) -> dict[str, Diagnosis]:
    """Return what is found in a child that has done something to itself before."""
    reader, writer = os.pipe()

    def act() -> None:
        before()
        os.write(writer, json.dumps([list(item) for item in action().values()]).encode())

    assert forked(act) == 0
    os.close(writer)
    with open(reader) as file:
        return {item[0]: Diagnosis(*item) for item in json.load(file)}


def everything() -> dict[str, Diagnosis]:
    return {line.diagnosis.name: line.diagnosis for line in examine()}


def test_all_checks_find_something_and_say_what_to_do() -> None:
    for checks in GROUPS.values():
        for check in checks:
            items = list(check())
            assert items, check
            for item in items:
                assert item.state in ("ok", "degraded", "missing")
                assert item.meaning
                assert "\n" not in item.meaning + item.remedy
                # What nothing can be done about is said of what nobody can try.
                assert item.remedy or item.state == "ok" or "cannot be tried" in item.meaning, item


def test_names_are_told_once() -> None:
    names = [line.diagnosis.name for line in examine()]
    assert sorted(set(names)) == sorted(names)


@needs_root
@needs_program("unshare")
@pytest.mark.parametrize("kind", UTIL_LINUX)
def test_each_kind_of_namespace_as_another_program_makes_it(kind: str) -> None:
    made = subprocess.run(["unshare", f"--{UTIL_LINUX[kind]}", "--fork", "true"], check=False).returncode == 0
    assert (found(namespaces.kinds)[f"{kind} namespace"].state == "ok") == made


@needs_root
@pytest.mark.parametrize("kind", ["uts", "net", "ipc"])
def test_a_kind_of_which_there_may_be_none(kind: str) -> None:
    def forbid() -> None:
        kernel.unshare(CloneFlag.CLONE_NEWUSER)
        kernel.map_self(0, 0)
        Path(f"/proc/sys/user/max_{kind}_namespaces").write_text("0")

    items = within(lambda: found(namespaces.kinds), forbid)
    states = {name.partition(" ")[0]: item.state for name, item in items.items()}
    assert states.pop(kind) == "missing"
    assert set(states.values()) == {"ok"}
    assert "ENOSPC" in items[f"{kind} namespace"].meaning


@needs_root
def test_user_namespaces_of_which_there_may_be_none() -> None:
    def forbid() -> None:
        kernel.unshare(CloneFlag.CLONE_NEWUSER)
        kernel.map_self(0, 0)
        Path("/proc/sys/user/max_user_namespaces").write_text("0")

    items = within(lambda: found(namespaces.user, namespaces.policy), forbid)
    name = "user.max_user_namespaces"
    assert items["user namespace"].state == "missing"
    assert f"unshare is ENOSPC (No space left on device); {name} is 0" in items["user namespace"].meaning
    assert f"sysctl -w {name}=15000" in items["user namespace"].remedy
    assert items["user namespace policy"].state == "degraded"


@needs_root
def test_the_step_after_a_user_namespace() -> None:
    """One that is made and may not be used is none: a mount in it is refused."""
    steps = dict(namespaces.in_user_namespace(0, 0))
    names = list(steps)
    assert names[:2] == ["unshare", "writing uid_map and gid_map"]

    def in_one_that_is_used_up() -> None:
        steps["unshare"]()
        # Whoever has no capabilities in it is where AppArmor's setting leaves an ordinary user.
        steps["writing uid_map and gid_map"]()
        give_up_capabilities()
        with pytest.raises(PermissionError):
            steps["mounting tmpfs"]()

    assert forked(in_one_that_is_used_up) == 0


@needs_root
def test_missing_capabilities_are_named_with_their_meaning() -> None:
    assert ("CAP_SYS_RESOURCE" in found(caller.capabilities)) != gather().has_capability(CAP_SYS_RESOURCE)

    def without_any() -> None:
        give_up_capabilities()

    items = within(lambda: found(caller.capabilities), without_any)
    assert items["CAP_SYS_CHROOT"].meaning.startswith("without it: chroot ")
    assert len(items) == gather().last_capability + 2
    ordinary = within(lambda: found(caller.capabilities), lambda: become(NOBODY))
    assert [item.state for item in ordinary.values()] == ["degraded"]


def test_low_limits() -> None:
    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200))

    assert found(caller.limits)["RLIMIT_NOFILE"].state == "ok"
    item = within(lambda: found(caller.limits), lower)["RLIMIT_NOFILE"]
    assert (item.state, item.remedy) == ("degraded", "as root: raise it to 1024 in limits.conf(5)")


@needs_root
def test_an_ordinary_user_without_a_runtime_directory(tmp_path: Path) -> None:
    def leave() -> None:
        os.environ.pop("XDG_RUNTIME_DIR", None)
        os.environ.pop("HACONIWA_STATE", None)
        become(NOBODY)

    items = within(lambda: found(caller.runtime_directory, installation.state), leave)
    assert all((item.state, item.essential) == ("missing", True) for item in items.values())
    assert len(items) == 2
    assert not forked(lambda: [leave(), _expect(not is_fine(examine()))])
    place = tmp_path / "runtime"
    place.mkdir(mode=0o700)
    os.chown(place, NOBODY, NOBODY)
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)

    def arrive() -> None:
        leave()
        os.environ["XDG_RUNTIME_DIR"] = str(place)

    items = within(lambda: found(caller.runtime_directory, installation.state), arrive)
    assert {item.state for item in items.values()} == {"ok"}


def _expect(condition: bool) -> None:
    if not condition:
        raise AssertionError


@needs_root
def test_an_ordinary_user_and_groups() -> None:
    """None of those that root has can be changed."""
    items = within(lambda: found(cgroups.delegation), lambda: become(NOBODY))
    trees = [tree for tree in gather().cgroups if not any("=" in name for name in tree.controllers)]
    assert len(items) == len(trees)
    for name, item in items.items():
        assert item.state == "missing"
        assert "belongs to user 0" in item.meaning
        assert ("Delegate=" if "version 2" in name else "unified_cgroup_hierarchy=1") in item.remedy


@needs_root
def test_groups_are_made_and_removed() -> None:
    if not gather().cgroups:
        pytest.skip("no hierarchy of control groups is mounted")
    folders = [Path(tree.mount) for tree in gather().cgroups]
    before = [sorted(os.listdir(folder)) for folder in folders]
    files = [folder / "cgroup.subtree_control" for folder in folders]
    controls = [file.read_text() for file in files if file.exists()]
    assert any("a group can be made" in item.meaning for item in found(cgroups.delegation).values())
    assert [sorted(os.listdir(folder)) for folder in folders] == before
    assert [file.read_text() for file in files if file.exists()] == controls


@needs_root
def test_nothing_is_mounted_afterwards() -> None:
    before = Path("/proc/self/mountinfo").read_text()
    assert found(filesystems.mounting, filesystems.overlay, filesystems.proc)["mount API"].state == "ok"
    assert Path("/proc/self/mountinfo").read_text() == before


@needs_root
@needs_program("unshare")
def test_a_proc_that_hides_processes() -> None:
    script = 'mount -t proc -o hidepid=2 proc /proc; exec "$@"'
    through = ["unshare", "--mount", "--pid", "--fork", "sh", "-ec", script, "sh"]
    done = subprocess.run(
        [*through, *haconiwa_command(), "doctor", "--format", "json"], capture_output=True, check=False
    )
    checks = {item["name"]: item for item in json.loads(done.stdout)["checks"]}
    assert checks["hidepid"]["state"] == "degraded"
    assert found(filesystems.hidden_processes)["hidepid"].state == "ok"


def test_another_program_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = tmp_path / "haconiwa"
    stranger.write_text("#!/bin/sh\necho a tool of somebody else's\n")
    stranger.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    item = found(installation.command)["command"]
    assert item.state == "degraded"
    assert f"{stranger} comes first on PATH, and is another project's program" in item.meaning
    stranger.write_text("#!/bin/sh\nexec python3 -m haconiwa_core\n")
    assert "belongs to another installation" in found(installation.command)["command"].meaning or not shutil.which(
        "haconiwa", path=os.path.dirname(os.sys.executable)
    )
    monkeypatch.setenv("PATH", str(tmp_path / "absent"))
    assert found(installation.command)["command"].meaning == "no haconiwa on PATH"


def test_programs_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "mmdebstrap"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(installation, "_SYSTEM", str(tmp_path))
    items = found(installation.programs)
    assert {name for name, item in items.items() if item.state == "ok"} == {"mmdebstrap"}
    assert items["gcc"].remedy == "apt install gcc"


@needs_root
def test_a_state_directory_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "state"
    monkeypatch.setenv("HACONIWA_STATE", str(place))
    assert found(installation.state)["state directory"].state == "ok"
    place.mkdir(mode=0o755)
    item = found(installation.state)["state directory"]
    assert (item.state, item.essential, item.remedy) == ("missing", True, f"chown 0 {place}; chmod 700 {place}")
    place.chmod(0o700)
    assert found(installation.state)["state directory"].state == "ok"
    os.chown(place, NOBODY, NOBODY)
    assert found(installation.state)["state directory"].state == "missing"


def test_a_check_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def sick() -> list[Diagnosis]:
        raise OSError(errno.EIO, "the disk is gone")

    monkeypatch.setitem(GROUPS, "security", (sick,))
    assert "the disk is gone" in everything()["sick"].meaning

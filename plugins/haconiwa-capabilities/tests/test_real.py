import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import prctl
import pytest
from haconiwa_capabilities import Capabilities
from haconiwa_capabilities.names import SecureBit, mask_of
from haconiwa_capabilities.running import running_sets

from haconiwa_core.errors import DefinitionError, SetupError
from haconiwa_core.host import gather
from haconiwa_core.testing import forked, needs_program, needs_root, run, run_attached, started

pytestmark = needs_root

CHOWN, KILL, NET_RAW, SYS_ADMIN, MKNOD = (1 << number for number in (0, 5, 13, 21, 27))
DEFAULT = 0xA80425FB
INSIDE = [sys.executable, "-I", "-m", "haconiwa_capabilities.running"]
READ = ["cat", "/proc/self/status"]


def sets(status: str) -> dict[str, int]:
    found = re.findall(r"^Cap(\w+):\s*([0-9a-f]+)$", status, re.MULTILINE)
    return {name.lower(): int(text, 16) for name, text in found}


def having(kept: int, *, inh: int = 0, amb: int = 0, own: int | None = None) -> dict[str, int]:
    own = kept if own is None else own
    return {"inh": inh, "prm": own, "eff": own, "bnd": kept, "amb": amb}


CASES = {
    "default": ({}, having(DEFAULT)),
    "drop": ({"drop": ["mknod", "CAP_NET_RAW"]}, having(DEFAULT & ~MKNOD & ~NET_RAW)),
    "add": ({"add": ["sys_admin"]}, having(DEFAULT | SYS_ADMIN)),
    "keep": ({"keep": ["chown", "kill"]}, having(CHOWN | KILL)),
    "keep none": ({"keep": []}, having(0)),
    "reset": ({"reset": True}, having(0)),
    "reset and add": ({"reset": True, "add": ["kill"]}, having(KILL)),
    "all": ({"all": True}, having(gather().capabilities)),
    "all but one": ({"all": True, "drop": ["mknod"]}, having(gather().capabilities & ~MKNOD)),
    "ambient": ({"ambient": ["kill"]}, having(DEFAULT, inh=KILL, amb=KILL)),
    "inheritable": ({"inheritable": ["kill"]}, having(DEFAULT, inh=KILL)),
    "noroot": ({"securebits": ["noroot", "noroot_locked"]}, having(DEFAULT, own=0)),
    "noroot and ambient": (
        {"securebits": ["noroot"], "ambient": ["kill"]},
        having(DEFAULT, inh=KILL, amb=KILL, own=KILL),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_set_in_start_and_attach(name: str) -> None:
    options, expected = CASES[name]
    feature = Capabilities(**options)
    assert sets(run(feature, command=READ).stdout) == expected
    with started(feature) as running:
        assert sets(run_attached(running, feature, command=READ).stdout) == expected
        assert sets(Path(f"/proc/{running.pid}/status").read_text()) == expected


def test_secure_bits() -> None:
    names = ["no_setuid_fixup", "no_setuid_fixup_locked", "no_cap_ambient_raise", "keep_caps_locked"]
    shown = run(Capabilities(securebits=names), command=INSIDE).stdout
    (line,) = (line for line in shown.splitlines() if line.startswith("securebits: "))
    assert set(line.split(": ")[1].split("|")) == {f"SECBIT_{name.upper()}" for name in names}
    assert "securebits: \n" in run(Capabilities(), command=INSIDE).stdout


# What is denied, and what is not.


@pytest.mark.parametrize(
    ("capability", "command"),
    [
        ("mknod", ["mknod", "FOLDER/node", "c", "1", "3"]),
        ("chown", ["chown", "1", "FOLDER/file"]),
        ("sys_chroot", ["chroot", "/", "true"]),
        ("fowner", ["chmod", "600", "FOLDER/foreign"]),
        ("dac_override", ["cp", "/dev/null", "FOLDER/foreign"]),
        ("setuid", ["setpriv", "--reuid", "1", "true"]),
        ("kill", ["kill", "-0", "PID"]),
    ],
)
def test_what_is_dropped_is_denied(capability: str, command: Sequence[str], tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "file").touch()
    (tmp_path / "foreign").touch()
    os.chown(tmp_path / "foreign", 1, 1)
    (tmp_path / "foreign").chmod(0o600)
    with subprocess.Popen(["sleep", "60"], user=1, group=1) as other:
        words = [word.replace("FOLDER", str(tmp_path)).replace("PID", str(other.pid)) for word in command]
        assert run(Capabilities(drop=[capability]), command=words).exit_status != 0
        assert run(Capabilities(), command=words).exit_status == 0
        other.kill()


def test_what_is_not_kept_cannot_be_had_again() -> None:
    raising = ["setpriv", "--inh-caps", "+mknod", "true"]
    assert run(Capabilities(drop=["mknod"]), command=raising).exit_status != 0
    assert run(Capabilities(), command=raising).exit_status == 0


def test_a_set_user_id_file_gives_the_bounding_set_and_no_more(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    shutil.copy("/bin/cat", tmp_path / "cat")
    (tmp_path / "cat").chmod(0o4755)
    user = ["setpriv", "--reuid", "65534", "--clear-groups"]
    program = [*user, str(tmp_path / "cat"), "/proc/self/status"]
    feature = Capabilities(drop=["mknod"])
    assert sets(run(feature, command=program).stdout) == having(DEFAULT & ~MKNOD)
    assert sets(run(feature, command=[*user, *READ]).stdout) == having(DEFAULT & ~MKNOD, own=0)


@needs_program("setcap")
def test_a_files_own_capabilities_are_bounded_and_an_inheritable_one_passes_on(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for name, what in (("permitted", "cap_mknod,cap_kill+p"), ("inheritable", "cap_mknod,cap_kill+i")):
        shutil.copy("/bin/cat", tmp_path / name)
        subprocess.run(["setcap", what, tmp_path / name], check=True)

    def permitted(name: str, feature: Capabilities) -> int:
        user = ["setpriv", "--reuid", "65534", "--clear-groups"]
        return sets(run(feature, command=[*user, str(tmp_path / name), "/proc/self/status"]).stdout)["prm"]

    assert permitted("permitted", Capabilities(drop=["mknod"])) == KILL
    assert permitted("permitted", Capabilities()) == KILL | MKNOD
    assert permitted("inheritable", Capabilities()) == 0
    assert permitted("inheritable", Capabilities(inheritable=["kill"])) == KILL


# What the caller has does not come along.


def test_the_callers_sets_do_not_come_along() -> None:
    def baited() -> None:
        prctl.cap_inheritable.kill = True
        prctl.securebits.no_setuid_fixup = True
        assert sets(run(Capabilities(), command=READ).stdout) == having(DEFAULT)
        assert "securebits: \n" in run(Capabilities(), command=INSIDE).stdout
        # Without the section they do.
        assert sets(run(command=READ).stdout)["inh"] == KILL
        assert "NO_SETUID_FIXUP" in run(command=INSIDE).stdout

    assert forked(baited) == 0


def test_secure_bits_that_the_caller_cannot_clear() -> None:
    def locked() -> None:
        prctl.set_securebits(SecureBit.SECBIT_NOROOT_LOCKED)
        with pytest.raises(SetupError) as caught:
            run(Capabilities(), command=["true"])
        assert (caught.value.plugin, caught.value.stage) == ("capabilities", "BOUNDING")
        assert "EPERM" in caught.value.reason

    assert forked(locked) == 0


def test_what_the_caller_lacks() -> None:
    def lacking() -> None:
        for each in (prctl.cap_effective, prctl.cap_permitted):
            each.mknod = False
        with pytest.raises(DefinitionError, match="does not have CAP_MKNOD of the default set"):
            run(Capabilities(), command=["true"])
        assert sets(run(Capabilities(drop=["mknod"]), command=READ).stdout) == having(DEFAULT & ~MKNOD)
        prctl.cap_effective.setpcap = False
        with pytest.raises(DefinitionError, match="needs CAP_SETPCAP"):
            run(Capabilities(drop=["mknod"]), command=["true"])

    assert forked(lacking) == 0


def test_a_bounding_set_that_planning_could_not_see() -> None:
    def bounded() -> None:
        prctl.capbset_drop(27)
        with pytest.raises(SetupError) as caught:
            run(Capabilities(), command=["true"])
        assert (caught.value.plugin, caught.value.stage) == ("capabilities", "BOUNDING")

    assert forked(bounded) == 0


# python-prctl's view.


def test_the_running_process_as_python_prctl_sees_it() -> None:
    def limited() -> None:
        prctl.cap_inheritable.kill = True
        for name in ("mknod", "sys_admin"):
            setattr(prctl.capbset, name, False)
            setattr(prctl.cap_effective, name, False)
        found = running_sets()
        expected = sets(Path("/proc/self/status").read_text())
        shown = (found.inheritable, found.permitted, found.effective, found.bounding, found.ambient)
        assert [mask_of(frozenset(each)) for each in shown] == list(expected.values())
        assert expected["inh"] == KILL

    assert forked(limited) == 0


def test_it_agrees_from_inside() -> None:
    feature = Capabilities(keep=["checkpoint_restore", "chown"], ambient=["checkpoint_restore"])
    both = "CAP_CHOWN, CAP_CHECKPOINT_RESTORE"
    one = "CAP_CHECKPOINT_RESTORE"
    assert run(feature, command=INSIDE).stdout == (
        f"bounding: {both}\npermitted: {both}\neffective: {both}\ninheritable: {one}\nambient: {one}\nsecurebits: \n"
    )


_LOADED = """
import sys
from haconiwa_core.cli.main import main
status = main(["run", "--rm", "--with", "capabilities", "--", "true"])
print(status, "haconiwa_capabilities.plugin" in sys.modules, "prctl" in sys.modules)
"""


def test_a_start_does_not_load_python_prctl() -> None:
    done = subprocess.run([sys.executable, "-c", _LOADED], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["0", "True", "False"]

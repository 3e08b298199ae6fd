"""A first process that is not the container's own: whatever the root is, and whatever the container's rights are."""

import errno
import json
import os
import shutil
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_init import Init
from haconiwa_mount import Mount
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_user import IdRange, UserNamespace

from haconiwa_core.errors import SetupError
from haconiwa_core.launch.choice import choose_launcher
from haconiwa_core.linux.calls import Call
from haconiwa_core.testing import become, forked, needs_program, needs_root, run, run_attached, started

TINI, CATATONIT = "/usr/bin/tini-static", "/usr/bin/catatonit"
STATIC = [pytest.param(path, marks=needs_program(path), id=os.path.basename(path)) for path in (TINI, CATATONIT)]
MAPPED = UserNamespace(uid_map=[IdRange(0, 100000, 10)], gid_map=[IdRange(0, 100000, 10)])
NOBODY = 65534

pytestmark = [needs_root, needs_program("busybox")]


@pytest.mark.parametrize("program", STATIC)
@pytest.mark.parametrize("mounts", [[], [MountNamespace()]], ids=["chroot", "pivot_root"])
@pytest.mark.parametrize("mapped", [[], [MAPPED]], ids=["", "mapped"])
def test_a_root_that_has_nothing_of_it(root: Path, program: str, mounts: list, mapped: list) -> None:
    read_only = True if mounts else None
    features = [*mapped, *mounts, PidNamespace(), Chroot(str(root), read_only=read_only), Init(program=program)]
    before = sorted(root.rglob("*"))
    outcome = run(*features, command=["sh", "-c", "echo $PPID; ls /; exit 3"])
    assert outcome.exit_status == 3, outcome.stderr
    assert outcome.stdout.split() == ["1", *sorted(entry.name for entry in root.iterdir())]
    assert sorted(root.rglob("*")) == before


@needs_program("/usr/bin/tini")
def test_a_program_whose_loader_the_root_does_not_have(root: Path) -> None:
    features = (PidNamespace(), MountNamespace(), Chroot(str(root)))
    with pytest.raises(SetupError) as caught:
        run(*features, Init(program="/usr/bin/tini"), command=["true"])
    assert (caught.value.stage, caught.value.errno) == ("EXEC", errno.ENOENT)
    assert "take a static program" in caught.value.remedy


@needs_program(TINI)
def test_who_has_no_rights_is_looked_after_too(root: Path) -> None:
    features = (PidNamespace(), MountNamespace(), Chroot(str(root)), Mount(proc=True), Credentials(uid=1000), Init())
    outcome = run(*features, command=["sh", "-c", "id -u; cat /proc/1/comm; cat /proc/1/status"])
    uid, name, *status = outcome.stdout.splitlines()
    assert (uid, name) == ("1000", "tini-static")
    assert "CapEff:\t0000000000000000" in status


@needs_program(TINI)
def test_only_the_first_process_has_it(root: Path) -> None:
    features = (PidNamespace(), MountNamespace(), Chroot(str(root)), Mount(proc=True), Init())
    script = "cat /proc/[0-9]*/comm; cat /proc/$$/status"
    with started(*features, command=["sleep", "600"]) as running:
        outcome = run_attached(running, *features, command=["sh", "-c", script])
    assert outcome.stdout.split().count("tini-static") == 1
    assert "PPid:\t0" in outcome.stdout.splitlines()


@needs_program(TINI)
@pytest.mark.parametrize("name", ["direct", "zygote", "helper"])
@pytest.mark.parametrize("mapped", [[], [MAPPED]], ids=["", "mapped"])
def test_every_launcher(name: str, mapped: list) -> None:
    command = ["sh", "-c", "readlink /proc/1/exe; cat /proc/1/comm"]
    features = [*mapped, PidNamespace(), MountNamespace(), Mount(proc=True), Init()]
    with closing(choose_launcher(name)) as launcher:
        outcome = run(*features, command=command, launcher=launcher)
    assert outcome.stdout.split() == ["/", "tini-static"], outcome.stderr


ATTACK = """
import ctypes, errno, json, os, struct, sys
library = ctypes.CDLL(None, use_errno=True)
def call(function, *arguments):
    return "done" if function(*arguments) >= 0 else errno.errorcode[ctypes.get_errno()]
def opened(path, flags):
    try:
        os.close(os.open(path, flags))
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"
setattr, open_tree = map(int, sys.argv[1:])
held = os.open("/proc/1/exe", os.O_PATH)
print(json.dumps({
    "owner": os.stat("/proc/1/exe").st_uid,
    "running": opened("/proc/1/exe", os.O_WRONLY),
    "truncate": opened("/proc/1/exe", os.O_WRONLY | os.O_TRUNC),
    "writable": call(library.syscall, setattr, held, b"", 0x1000, struct.pack("QQQQ", 0, 1, 0, 0), 32),
    "clone": call(library.syscall, open_tree, held, b"", 0x1001),
    "bind": call(library.mount, f"/proc/self/fd/{held}".encode(), b"/proc/self/exe", None, 0x1000, None),
    "control": call(library.syscall, open_tree, -100, b"/usr", 0x1),
}))
"""


NUMBERS = (str(int(Call.mount_setattr)), str(int(Call.open_tree)))
ATTACKING = ["/usr/bin/python3", "-I", "-c", ATTACK, *NUMBERS]
WITHSTOOD = {
    "owner": 0,
    "running": "ETXTBSY",
    "truncate": "EROFS",
    "writable": "EINVAL",
    "clone": "EINVAL",
    "bind": "EINVAL",
    "control": "done",
}
"""All fails although the file is the attacker's own and the attacker may open trees."""


@needs_program(TINI)
@pytest.mark.parametrize("name", ["direct", "zygote", "helper"])
def test_who_owns_the_program_and_rules_its_namespaces_cannot_write_to_it(name: str, tmp_path: Path) -> None:
    """Root of a user namespace, to whom the file belongs, with all capabilities in it."""
    program = tmp_path / "tini"
    shutil.copy(TINI, program)
    os.chown(program, 100000, 100000)
    content = program.read_bytes()
    features = (MAPPED, PidNamespace(), MountNamespace(), Mount(proc=True), Init(program=str(program)))
    with closing(choose_launcher(name)) as launcher:
        outcome = run(*features, command=ATTACKING, launcher=launcher)
    assert outcome.exit_status == 0, outcome.stderr
    assert json.loads(outcome.stdout) == WITHSTOOD
    assert program.read_bytes() == content


@needs_program(TINI)
def test_an_ordinary_user() -> None:
    """Whoever may not open a tree on the host lets the child do it, in a mount namespace of its own."""

    def start() -> None:
        become(NOBODY)
        features = (UserNamespace(), PidNamespace(), MountNamespace(), Mount(proc=True))
        command = ["sh", "-c", "echo $PPID; cat /proc/1/comm"]
        assert run(*features, Init(), command=command).stdout.split() == ["1", "tini-static"]
        with TemporaryDirectory() as folder:
            program = shutil.copy(TINI, folder)
            outcome = run(*features, Init(program=program), command=ATTACKING)
            assert json.loads(outcome.stdout) == WITHSTOOD, outcome.stderr

    assert forked(start) == 0

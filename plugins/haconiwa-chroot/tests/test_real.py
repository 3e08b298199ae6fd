import errno
import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest
from haconiwa_chroot import Chroot

from haconiwa_core.errors import SetupError
from haconiwa_core.facts import Namespace
from haconiwa_core.linux.constants import CLONE_NEWNS
from haconiwa_core.testing import needs_program, needs_root, run, started

pytestmark = [needs_root, needs_program("busybox")]

NEW = (Namespace("mnt", CLONE_NEWNS),)


@pytest.mark.parametrize("facts", [(), NEW], ids=["chroot", "pivot_root"])
def test_the_host_is_out_of_sight(root: Path, facts: tuple[Namespace, ...]) -> None:
    (root.parent / "outside").touch()
    assert run(Chroot(str(root)), command=["ls", "/"], facts=facts).stdout.split() == sorted(os.listdir(root))
    assert run(Chroot(str(root)), command=["ls", "/../outside"], facts=facts).exit_status != 0
    with started(Chroot(str(root)), facts=facts) as running:
        links = [os.readlink(f"/proc/{running.pid}/{name}") for name in ("root", "cwd")]
        assert links == ["/", "/"] if facts else links == [str(root), str(root)]


def test_pivot_root_detaches_the_host(root: Path) -> None:
    with started(Chroot(str(root)), facts=NEW) as running:
        lines = Path(f"/proc/{running.pid}/mountinfo").read_text().splitlines()
        assert [line.split()[4] for line in lines] == ["/"]


@pytest.mark.parametrize(("read_only", "status"), [(None, 1), (True, 1), (False, 0)])
@pytest.mark.parametrize("pivot", [None, False])
def test_read_only(root: Path, read_only: bool | None, status: int, pivot: bool | None) -> None:
    feature = Chroot(str(root), read_only=read_only, pivot=pivot)
    outcome = run(feature, command=["touch", "/new"], facts=NEW)
    assert outcome.exit_status == status, outcome.stderr
    assert (root / "new").exists() is not bool(status)
    assert "Read-only file system" in outcome.stderr or status == 0


@pytest.mark.parametrize(("nosuid", "user"), [(None, "65534"), (True, "65534"), (False, "0")])
def test_set_user_id_programs(nosuid: bool | None, user: str) -> None:
    # Not below pytest's own directories, which another user cannot walk.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        program = shutil.copy("/usr/bin/id", folder)
        os.chmod(program, 0o4755)
        command = ["setpriv", "--reuid", "65534", "--clear-groups", program, "-u"]
        outcome = run(Chroot("/", nosuid=nosuid), command=command, facts=NEW)
    assert outcome.stdout.strip() == user, outcome.stderr


@pytest.mark.parametrize(("nodev", "opened"), [(None, False), (True, False), (False, True)])
def test_device_files(root: Path, nodev: bool | None, opened: bool) -> None:
    os.mknod(root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    outcome = run(Chroot(str(root), nodev=nodev), command=["sh", "-c", ": < /null"], facts=NEW)
    assert (outcome.exit_status == 0) is opened, outcome.stderr
    assert opened or "Permission denied" in outcome.stderr


@pytest.mark.parametrize(("read_only", "writable"), [(None, False), (False, True)])
def test_mounts_below_come_along(read_only: bool | None, writable: bool) -> None:
    with started(Chroot("/", read_only=read_only), facts=NEW) as running:
        rows = [line.split() for line in Path(f"/proc/{running.pid}/mountinfo").read_text().splitlines()]
    assert {"/", "/proc"} <= {row[4] for row in rows}
    assert any(row[5].startswith("rw") for row in rows) is writable


@pytest.mark.parametrize("facts", [(), NEW], ids=["chroot", "pivot_root"])
@pytest.mark.parametrize("name", ["absent", "file"])
def test_a_root_that_is_no_directory(tmp_path: Path, name: str, facts: tuple[Namespace, ...]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SetupError) as caught:
        run(Chroot(str(tmp_path / name)), command=["true"], facts=facts)
    assert caught.value.plugin in ("chroot", "core")
    assert caught.value.errno in (errno.ENOENT, errno.ENOTDIR, errno.EINVAL)


@pytest.mark.parametrize("facts", [(), NEW], ids=["chroot", "pivot_root"])
@pytest.mark.parametrize("target", ["/etc", "../../../../../../etc", "loop"])
def test_a_hostile_working_directory(root: Path, target: str, facts: tuple[Namespace, ...]) -> None:
    (root / "loop").symlink_to(target)
    if target == "loop":
        with pytest.raises(SetupError) as caught:
            run(Chroot(str(root)), command=["pwd"], workdir="/loop", facts=facts)
        assert caught.value.errno == errno.ELOOP
        return
    outcome = run(Chroot(str(root)), command=["pwd", "-P"], workdir="/loop", facts=facts)
    assert outcome.stdout == "/etc\n"
    assert run(Chroot(str(root)), command=["ls"], workdir="/loop", facts=facts).stdout == ""

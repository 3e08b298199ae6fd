"""Landlock with the features that change what a path means, who restricts itself, and what starts the command."""

import errno
from pathlib import Path

import pytest
from haconiwa_apparmor import AppArmor
from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_init import Init
from haconiwa_landlock import Landlock
from haconiwa_no_new_privs import NoNewPrivs
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_user import IdRange, UserNamespace
from haconiwa_seccomp import Seccomp

from haconiwa_core.errors import DefinitionError, SetupError
from haconiwa_core.stages import Stage
from haconiwa_core.testing import (
    Outcome,
    busybox_root,
    needs_landlock,
    needs_program,
    needs_root,
    plan_of,
    run,
    run_attached,
    started,
)

OLD = ("truncate", "ioctl_dev")
"""What an older kernel cannot deny."""

IDS = [IdRange(0, 100_000, 65536)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = busybox_root(tmp_path / "root")
    (path / "tmp").chmod(0o1777)
    (path / "secret").write_text("secret")
    return path


def confined(**options: object) -> Landlock:
    return Landlock(**{"read": ["/bin"], "execute": ["/bin"], "write": ["/tmp"], "unrestricted": OLD, **options})


def inside(root: Path, *features: object, script: str) -> Outcome:
    return run(MountNamespace(), Chroot(str(root), read_only=False), *features, command=["sh", "-c", script])


@needs_root
@needs_landlock(2)
@needs_program("busybox")
class TestPaths:
    def test_they_are_those_of_the_root(self, root: Path) -> None:
        script = "cat /secret; echo x > /tmp/new && echo written; echo x > /new || echo denied"
        assert inside(root, confined(), script=script).stdout == "written\ndenied\n"
        assert inside(root, script=script).stdout == "secretwritten\n"

    def test_a_link_of_the_root_leads_nowhere_else(self, root: Path, tmp_path: Path) -> None:
        (tmp_path / "outside").mkdir()
        (root / "link").symlink_to(tmp_path / "outside")
        with pytest.raises(SetupError) as caught:
            inside(root, confined(read=["/bin", "/link"]), script="true")
        assert (caught.value.plugin, caught.value.errno) == ("landlock", errno.ENOENT)

    def test_a_process_that_is_attached(self, root: Path) -> None:
        features = (MountNamespace(), Chroot(str(root), read_only=False), confined())
        script = "cat /secret; echo x > /tmp/new && echo written"
        with started(*features, command=["sleep", "600"]) as running:
            assert run_attached(running, *features, command=["sh", "-c", script]).stdout == "written\n"


@needs_root
@needs_landlock(2)
@needs_program("busybox")
class TestUsers:
    def test_one_without_rights_needs_no_new_privileges(self, root: Path) -> None:
        user = Credentials(uid=1000, gid=1000)
        script = "id -u; cat /secret; echo x > /tmp/new && echo written"
        with pytest.raises(DefinitionError, match=r"landlock: needs no_new_privs or CAP_SYS_ADMIN.*; add no-new-privs"):
            inside(root, user, confined(), script=script)
        assert inside(root, user, confined(), NoNewPrivs(), script=script).stdout == "1000\nwritten\n"
        assert inside(root, user, script=script).stdout == "1000\nsecretwritten\n"

    def test_root_of_a_user_namespace(self, root: Path) -> None:
        features = (UserNamespace(uid_map=IDS, gid_map=IDS), confined())
        assert inside(root, *features, script="cat /secret; echo x > /tmp/new && echo written").stdout == "written\n"


@needs_root
@needs_landlock(2)
@needs_program("busybox")
@needs_program("tini-static")
def test_an_init_of_the_host_may_be_executed(root: Path) -> None:
    script = "cat /proc/1/comm; cat /secret; echo x > /tmp/new && echo written"
    assert inside(root, PidNamespace(), Init(), confined(), script=script).stdout == "written\n"


def test_the_order_of_what_confines() -> None:
    features = (Seccomp(), Landlock(read=["/"]), NoNewPrivs(), AppArmor("web"))
    steps = [item for item in plan_of(*features).steps if item.step.stage is Stage.CONFINE]
    plugins = [item.plugin for item in steps if item.plugin != "core"]
    assert list(dict.fromkeys(plugins)) == ["apparmor", "no-new-privs", "landlock", "seccomp"]

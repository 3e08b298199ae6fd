"""A root whose mount points are symbolic links: nothing outside it is touched."""

import os
from pathlib import Path

import pytest
from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_mount import Bind, Mount, Overlay, Tmpfs
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_pid import PidNamespace

from haconiwa_core.errors import DefinitionError, SetupError
from haconiwa_core.testing import Outcome, needs_program, needs_root, run

pytestmark = [needs_root, needs_program("busybox")]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What a link tries to reach."""
    path = tmp_path / "outside"
    path.mkdir()
    (path / "file").write_text("host")
    return path


def contained(root: Path, mount: Mount, script: str = "true", *, read_only: bool | None = None) -> Outcome:
    features = (MountNamespace(), PidNamespace(), Chroot(str(root), read_only=read_only), mount)
    return run(*features, command=["sh", "-c", script])


def links_to(outside: Path) -> list[str]:
    return [str(outside), f"../../../../../../../..{outside}", "/proc/self/root" + str(outside)]


@pytest.mark.parametrize("way", range(3))
@pytest.mark.parametrize(
    ("name", "mount"),
    [
        ("proc", Mount(proc=True)),
        ("sys", Mount(sysfs=True)),
        ("dev", Mount(dev=True)),
        ("dev", Mount(shm=True)),
    ],
)
def test_kernel_file_systems_want_real_directories(
    root: Path, outside: Path, name: str, mount: Mount, way: int
) -> None:
    (root / name).rmdir()
    (root / name).symlink_to(links_to(outside)[way])
    with pytest.raises(SetupError) as caught:
        contained(root, mount)
    assert (caught.value.plugin, caught.value.stage) == ("mount", "MOUNTS")
    assert "ELOOP" in caught.value.reason
    assert os.listdir(outside) == ["file"]


@pytest.mark.parametrize("way", range(3))
@pytest.mark.parametrize("target", ["/link", "/link/new", "/link/file"])
def test_targets_that_are_links_stay_inside(root: Path, outside: Path, target: str, way: int) -> None:
    (root / "link").symlink_to(links_to(outside)[way])
    mounts = [
        Mount(tmpfs=[Tmpfs(target)]),
        Mount(bind=[Bind("/etc", target)]),
        Mount(overlay=[Overlay(target, lower=["/etc"])]),
    ]
    for mount in mounts:
        with pytest.raises(SetupError) as caught:
            contained(root, mount, read_only=False)
        assert (caught.value.plugin, caught.value.stage) == ("mount", "MOUNTS")
        assert os.listdir(outside) == ["file"]
        assert (outside / "file").read_text() == "host"


@pytest.mark.parametrize("way", range(3))
@pytest.mark.parametrize(
    ("mount", "script", "shown"),
    [
        (Mount(), "cat /link/file; touch /link/new; ls /link", "insidefile\nnew\n"),
        (Mount(masked=["/link/file"]), "cat /link/file; touch /link/new; ls /link", "file\nnew\n"),
        (Mount(masked=["/link"]), "cat /link/file; touch /link/new; ls /link", ""),
        (Mount(read_only=["/link"]), "cat /link/file; touch /link/new; ls /link", "insidefile\n"),
    ],
    ids=["nothing", "file", "directory", "read-only"],
)
def test_masks_stay_inside(root: Path, outside: Path, way: int, mount: Mount, script: str, shown: str) -> None:
    """What a link means below the root is hidden, though the same path of the host exists."""
    link = links_to(outside)[way]
    (root / "link").symlink_to(link)
    meant = root / link.replace("../", "").lstrip("/")
    meant.mkdir(parents=True)
    (meant / "file").write_text("inside")
    assert contained(root, mount, script, read_only=False).stdout == shown
    assert os.listdir(outside) == ["file"]


def test_a_link_within_the_root_is_followed(root: Path) -> None:
    (root / "link").symlink_to("/tmp")
    outcome = contained(root, Mount(tmpfs=[Tmpfs("/link")]), "touch /tmp/new && ls /tmp")
    assert outcome.stdout == "new\n"
    assert os.listdir(root / "tmp") == []


@pytest.mark.parametrize("name", ["proc", "dev", "sys"])
def test_a_file_in_place_of_a_directory(root: Path, name: str) -> None:
    (root / name).rmdir()
    (root / name).touch()
    with pytest.raises(SetupError) as caught:
        contained(root, Mount(**{"sysfs" if name == "sys" else name: True}))
    assert caught.value.plugin == "mount"


def test_a_read_only_root_lacks_a_mount_point_only_until_it_is_made(root: Path) -> None:
    outcome = contained(root, Mount(tmpfs=[Tmpfs("/made/by/us")]), "touch /made/by/us/x && touch /made/y")
    assert "Read-only file system" in outcome.stderr
    assert (root / "made" / "by" / "us").is_dir()


def test_names_of_a_root_are_read_from_its_own_files(root: Path, tmp_path: Path) -> None:
    (root / "etc" / "passwd").symlink_to("/etc/../../../../../../../../etc/shadow")
    with pytest.raises(DefinitionError) as caught:
        run(Chroot(str(root)), Credentials(uid="root", lookup="root"), command=["true"])
    assert "cannot read /etc/passwd" in str(caught.value)

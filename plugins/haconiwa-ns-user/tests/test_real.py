import os
from pathlib import Path

from haconiwa_ns_user import IdRange, UserNamespace

from haconiwa_core.testing import needs_root, run, started

pytestmark = needs_root


def inside(feature: UserNamespace, *files: str) -> list[list[int]]:
    text = run(feature, command=["cat", *files]).stdout
    return [[int(word) for word in line.split()] for line in text.splitlines()]


def test_several_ranges() -> None:
    feature = UserNamespace(
        uid_map=[IdRange(0, 1000, 10), IdRange(10, 5000, 5)],
        gid_map=[IdRange(0, 2000, 1), IdRange(7, 3000, 2), IdRange(100, 4000, 3)],
    )
    assert inside(feature, "/proc/self/uid_map") == [[0, 1000, 10], [10, 5000, 5]]
    assert inside(feature, "/proc/self/gid_map") == [[0, 2000, 1], [7, 3000, 2], [100, 4000, 3]]


def test_root_inside_is_nobody_special_outside() -> None:
    feature = UserNamespace(uid_map=[IdRange(0, 100000, 10)], gid_map=[IdRange(0, 200000, 10)])
    assert run(feature, command=["id"]).stdout.startswith("uid=0(root) gid=0(root) groups=0(root)")
    with started(feature) as running:
        status = Path(f"/proc/{running.pid}/status").read_text()
        assert "\nUid:\t100000\t100000\t100000\t100000\n" in status
        assert "\nGid:\t200000\t200000\t200000\t200000\n" in status


def test_it_has_no_power_over_the_host(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    for directory in (tmp_path, *tmp_path.parents[:2]):
        os.chmod(directory, 0o711)
    feature = UserNamespace(uid_map=[IdRange(0, 100000)], gid_map=[IdRange(0, 100000)])
    assert run(feature, command=["cat", str(secret)]).exit_status != 0
    assert run(feature, command=["chown", "0", str(secret)]).exit_status != 0
    assert run(feature, command=["kill", "-0", str(os.getpid())]).exit_status != 0


def test_joined_its_root_is_the_same() -> None:
    feature = UserNamespace(uid_map=[IdRange(0, 100000)], gid_map=[IdRange(0, 100000)])
    with started(feature) as first:
        assert inside(UserNamespace(join=first.pid), "/proc/self/uid_map") == [[0, 100000, 1]]
        assert run(UserNamespace(join=first.pid), command=["id", "-u"]).stdout == "0\n"

from pathlib import Path

from haconiwa_ns_mount import MountNamespace

from haconiwa_core.testing import needs_root, run, started

pytestmark = needs_root


def test_its_mounts_are_its_own(tmp_path: Path) -> None:
    script = f"mount -t tmpfs inside {tmp_path} && touch {tmp_path}/inside && ls {tmp_path}"
    assert run(MountNamespace(), command=["sh", "-c", script]).stdout == "inside\n"
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_nothing_propagates() -> None:
    lines = run(MountNamespace(), command=["cat", "/proc/self/mountinfo"]).stdout.splitlines()
    assert lines
    assert not [line for line in lines if "shared:" in line or "master:" in line]


def test_a_joined_tree_is_seen(tmp_path: Path) -> None:
    command = ["sh", "-c", f"mount -t tmpfs inside {tmp_path} && touch {tmp_path}/ready && sleep 600"]
    with started(MountNamespace(), command=command) as first:
        inside = Path(f"/proc/{first.pid}/root{tmp_path}/ready")
        while not inside.exists():
            assert Path(f"/proc/{first.pid}").exists()
        assert run(MountNamespace(join=first.pid), command=["ls", str(tmp_path)]).stdout == "ready\n"

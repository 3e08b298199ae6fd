import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from haconiwa_mount import Bind, Mount, Overlay, Tmpfs

from haconiwa_core.errors import SetupError
from haconiwa_core.facts import Namespace
from haconiwa_core.linux.constants import CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID
from haconiwa_core.testing import Outcome, needs_root, run

pytestmark = needs_root

NEW = (Namespace("mnt", CLONE_NEWNS),)
ALL = (*NEW, Namespace("pid", CLONE_NEWPID), Namespace("net", CLONE_NEWNET), Namespace("ipc", CLONE_NEWIPC))


def shell(script: str, feature: Mount, **fields: object) -> Outcome:
    return run(feature, command=["sh", "-c", script], **{"facts": NEW, **fields})


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Path]:
    """A directory with a file system mounted below it; both hold what flags are about."""
    top = tmp_path / "source"
    below = top / "below"
    below.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "test", below], check=True)
    try:
        for directory in (top, below):
            shutil.copy("/usr/bin/id", directory / "id")
            (directory / "id").chmod(0o4755)
            os.mknod(directory / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
            (directory / "file").write_text("text")
        yield top
    finally:
        subprocess.run(["umount", below], check=True)


USUALLY_MASKED = (
    *("/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats"),
    *("/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats"),
    *("/sys/devices/virtual/powercap", "/sys/firmware"),
)
USUALLY_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", "/sys")

PROBES = {
    # What is tried, and what it prints where the flag does not hold it back.
    "read_only": ("touch $D/new && echo done", "done"),
    "nosuid": ("setpriv --reuid 65534 --clear-groups $D/id -u", "0"),
    "nodev": ("echo x > $D/null && echo done", "done"),
    "noexec": ("$D/id -u > /dev/null && echo done", "done"),
}


@pytest.mark.parametrize("below", ["/mnt", "/mnt/below"])
@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("flag", PROBES)
def test_flags_of_a_bind_hold_for_all_of_it(source: Path, flag: str, held: bool, below: str) -> None:
    script, free = PROBES[flag]
    options = {"read_only": False, "nosuid": False, "nodev": False, "noexec": False, flag: held}
    printed = shell(f"D={below}; {script}", Mount(bind=[Bind(str(source), "/mnt", **options)])).stdout.strip()
    assert (printed != free) is held


@pytest.mark.parametrize("recursive", [True, False])
def test_recursive(source: Path, recursive: bool) -> None:
    feature = Mount(bind=[Bind(str(source), "/mnt", recursive=recursive)])
    assert (shell("cat /mnt/below/file", feature).stdout == "text") is recursive


def test_binds_are_safe_without_being_asked(source: Path) -> None:
    feature = Mount(bind=[Bind(str(source), "/mnt")])
    assert shell("D=/mnt; " + PROBES["read_only"][0], feature).stdout == ""
    assert shell("D=/mnt; " + PROBES["nosuid"][0], feature).stdout == "65534\n"
    assert shell("D=/mnt; " + PROBES["nodev"][0], feature).stdout == ""


def test_a_relative_source_lies_beside_the_definition(source: Path) -> None:
    feature = Mount(bind=[Bind("source/file", "/etc/hostname")])
    assert shell("cat /etc/hostname", feature, folder=str(source.parent)).stdout == "text"


@pytest.mark.parametrize("name", ["file", ""])
def test_missing_targets_are_made(source: Path, tmp_path: Path, name: str) -> None:
    target = tmp_path / "deep" / "target"
    assert shell(f"ls -d {target}", Mount(bind=[Bind(str(source / name), str(target))])).exit_status == 0
    assert target.is_file() if name else target.is_dir()
    assert stat.S_IMODE(target.stat().st_mode) == (0o644 if name else 0o755)


def test_a_source_that_is_missing() -> None:
    with pytest.raises(SetupError) as caught:
        shell("true", Mount(bind=[Bind("/no/such/source", "/mnt")]))
    assert (caught.value.plugin, caught.value.stage) == ("mount", "PREPARE")
    assert "/no/such/source" in str(caught.value)


def test_tmpfs() -> None:
    feature = Mount(tmpfs=[Tmpfs("/mnt", size="64k", mode=0o1700)])
    outcome = shell("stat -fc %T /mnt; stat -c %a /mnt; head -c 100000 /dev/zero > /mnt/x", feature)
    assert outcome.stdout.split() == ["tmpfs", "1700"]
    assert "No space left" in outcome.stderr


@pytest.mark.parametrize("flag", ["read_only", "nosuid", "nodev", "noexec"])
def test_flags_of_a_tmpfs(flag: str) -> None:
    word = {"read_only": "ro"}.get(flag, flag)
    for held in (True, False):
        feature = Mount(tmpfs=[Tmpfs("/mnt", **{flag: held})])
        row = shell("grep ' / /mnt ' /proc/self/mountinfo", feature).stdout.split()
        assert (word in row[5].split(",")) is held


class TestOverlay:
    @pytest.fixture(autouse=True)
    def directories(self, tmp_path: Path) -> None:
        for name in ("a:b", "lower", "upper", "work"):
            (tmp_path / name).mkdir()
        (tmp_path / "a:b" / "both").write_text("top")
        (tmp_path / "lower" / "both").write_text("bottom")
        (tmp_path / "lower" / "only").write_text("only")

    def test_changes_in_memory(self, tmp_path: Path) -> None:
        feature = Mount(overlay=[Overlay("/srv", lower=["a:b", "lower"])])
        script = "cat /srv/both /srv/only; rm /srv/only; echo new > /srv/new; ls /srv"
        assert shell(script, feature, folder=str(tmp_path)).stdout == "toponlyboth\nnew\n"
        assert sorted(os.listdir(tmp_path / "lower")) == ["both", "only"]
        assert os.listdir(tmp_path / "a:b") == ["both"]

    def test_changes_in_a_directory(self, tmp_path: Path) -> None:
        feature = Mount(overlay=[Overlay("/srv", lower=["lower"], upper="upper", work="work")])
        for _ in range(2):
            assert shell("echo x >> /srv/both", feature, folder=str(tmp_path)).exit_status == 0
        assert (tmp_path / "upper" / "both").read_text() == "bottomx\nx\n"
        assert (tmp_path / "lower" / "both").read_text() == "bottom"

    def test_read_only(self, tmp_path: Path) -> None:
        feature = Mount(overlay=[Overlay("/srv", lower=["a:b", "lower"], read_only=True)])
        outcome = shell("cat /srv/both /srv/only; touch /srv/new", feature, folder=str(tmp_path))
        assert outcome.stdout == "toponly"
        assert "Read-only file system" in outcome.stderr


class TestKernelFilesystems:
    def test_proc_shows_the_containers_processes(self) -> None:
        outcome = shell("ls /proc | grep '^[0-9]'; readlink /proc/self", Mount(proc=True), facts=ALL)
        assert {int(word) for word in outcome.stdout.split()} <= set(range(1, 10))

    @pytest.mark.parametrize(
        ("feature", "path", "kind"),
        [
            (Mount(proc=True), "/proc", "proc"),
            (Mount(sysfs=True), "/sys", "sysfs"),
            (Mount(dev=True), "/dev", "tmpfs"),
            (Mount(dev=True, devpts=True), "/dev/pts", "devpts"),
            (Mount(dev=True, shm=True), "/dev/shm", "tmpfs"),
            (Mount(dev=True, mqueue=True), "/dev/mqueue", "mqueue"),
        ],
    )
    def test_it_is_there_and_new(self, feature: Mount, path: str, kind: str) -> None:
        lines = shell("cat /proc/self/mountinfo", feature, facts=ALL).stdout.splitlines()
        row = [line.split() for line in lines if line.split()[4] == path][-1]
        assert row[row.index("-") + 1] == kind
        assert {"nosuid", "noexec"} <= set(row[5].split(","))
        assert ("ro" in row[5].split(",")) is (kind == "sysfs")

    def test_devices_work_and_are_few(self) -> None:
        script = "ls /dev; echo x > /dev/null; head -c 4 /dev/zero | od -An -tx1; head -c 1 /dev/urandom | wc -c"
        outcome = shell(script, Mount(dev=True))
        expected = ["fd", "full", "null", "random", "stderr", "stdin", "stdout", "tty", "urandom", "zero"]
        assert outcome.stdout.split() == [*expected, "00", "00", "00", "00", "1"]
        assert outcome.stderr == ""

    def test_the_hosts_devices_cannot_be_altered(self) -> None:
        before = os.stat("/dev/null").st_mode
        assert shell("chmod 600 /dev/null", Mount(dev=True)).exit_status != 0
        assert os.stat("/dev/null").st_mode == before

    def test_terminals_are_the_containers(self) -> None:
        feature = Mount(dev=True, devpts=True)
        assert shell("ls /dev/pts; readlink /dev/ptmx", feature).stdout == "ptmx\npts/ptmx\n"

    def test_what_proc_tells_of_the_host_is_hidden(self) -> None:
        hidden = [path for path in USUALLY_MASKED if os.path.exists(path)]
        assert "/proc/keys" in hidden
        show = f"for path in {' '.join(hidden)}; do cat $path 2>/dev/null || ls -A $path; done"
        outcome = shell(show, Mount(proc=True, sysfs=True), facts=ALL)
        assert (outcome.exit_status, outcome.stdout, outcome.stderr) == (0, "", "")

    def test_what_changes_the_host_is_read_only(self) -> None:
        feature = Mount(proc=True, sysfs=True)
        outcome = shell("cat /proc/sys/kernel/hostname > /proc/sys/kernel/hostname", feature, facts=ALL)
        assert "Read-only file system" in outcome.stderr
        lines = shell("cat /proc/self/mountinfo", feature, facts=ALL).stdout.splitlines()
        flags = {line.split()[4]: line.split()[5].split(",") for line in lines}
        there = [path for path in USUALLY_READ_ONLY if os.path.exists(path)]
        assert "/proc/sys" in there
        assert [path for path in there if "ro" not in flags[path]] == []


class TestMasks:
    def test_files_directories_and_what_is_absent(self, tmp_path: Path) -> None:
        (tmp_path / "directory").mkdir()
        (tmp_path / "directory" / "secret").touch()
        (tmp_path / "file").write_text("secret")
        paths = [str(tmp_path / name) for name in ("directory", "file", "absent", "file/below")]
        script = f"cd {tmp_path}; ls directory; cat file; touch directory/new || ls"
        outcome = shell(script, Mount(masked=paths))
        assert outcome.stdout == "directory\nfile\n"
        assert (tmp_path / "file").read_text() == "secret"

    def test_read_only_paths(self, tmp_path: Path) -> None:
        (tmp_path / "directory").mkdir()
        (tmp_path / "file").write_text("text")
        paths = [str(tmp_path / name) for name in ("directory", "file", "absent")]
        script = f"cd {tmp_path}; touch directory/new; echo x > file; touch free && cat file"
        outcome = shell(script, Mount(read_only=paths))
        assert outcome.stdout == "text"
        assert outcome.stderr.count("Read-only file system") == 2

    def test_lists_replace_the_usual_ones(self) -> None:
        feature = Mount(proc=True, masked=[], read_only=[])
        lines = shell("cat /proc/self/mountinfo", feature, facts=ALL).stdout.splitlines()
        assert [line for line in lines if " /proc/" in line and "devtmpfs" in line] == []

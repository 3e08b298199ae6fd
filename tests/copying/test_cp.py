"""`haconiwa cp` with running containers: users are mapped, and a hostile one gains nothing."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from haconiwa_copy.entering import acting_in
from haconiwa_runtime.recorded import find

from haconiwa_core.runtime.store import Store
from haconiwa_core.testing import haconiwa_command, needs_program, needs_root
from haconiwa_core.testing.roots import busybox_root

pytestmark = [needs_root, needs_program("busybox")]

FIRST_USER = 500_000


class Host:
    """Containers with records of their own, and the command line for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = busybox_root(folder / "root")
        (self.root / "dev" / "null").touch()  # The shell lets jobs in the background read it.
        self.environment = {**os.environ, "HACONIWA_STATE": str(folder / "state")}

    def __call__(self, *words: object) -> subprocess.CompletedProcess[str]:
        command = [*haconiwa_command(), *map(str, words)]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )

    def start(self, *words: str, script: str = "sleep 1000", mapped: bool = True) -> None:
        """Start the container `web` in the background: root's users are not the host's, /data is its own."""
        data = self.folder / "data"
        data.mkdir()
        data.chmod(0o777)
        mapping = f"[{{ inside = 0, outside = {FIRST_USER}, count = 65536 }}]"
        users = ["--set", f"ns-user.uid_map={mapping}", "--set", f"ns-user.gid_map={mapping}"] if mapped else []
        if mapped:
            os.chown(data, FIRST_USER, FIRST_USER)
        options = ["--with", "ns-mount", "--with", "ns-pid", "--set", f"chroot.root={self.root}", *users, *words]
        options += ["--set", "mount.proc=true", "-v", f"{data}:/tmp"]
        started = self("run", "-d", "--name", "web", *options, "--", "/bin/sh", "-c", script)
        assert started.returncode == 0, started.stderr

    @property
    def data(self) -> Path:
        return self.folder / "data"


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path)
    yield host
    host("stop", "--timeout", "0", "web")
    host("rm", "--force", "web")


def test_there_and_back_with_users(host):
    """Who has a number on one side has the same number on the other, whatever it is on the host."""
    host.start()
    (host.folder / "mine").write_text("text")
    os.chown(host.folder / "mine", 1000, 1001)
    for words in (["cp", "mine", "web:/tmp/plain"], ["cp", "-a", "mine", "web:/tmp/kept"]):
        done = host(*words)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    plain, kept = (host.data / name for name in ("plain", "kept"))
    assert (plain.stat().st_uid, plain.stat().st_gid) == (FIRST_USER, FIRST_USER)
    assert (kept.stat().st_uid, kept.stat().st_gid) == (FIRST_USER + 1000, FIRST_USER + 1001)
    seen = host("exec", "web", "--", "/bin/ls", "-n", "/tmp").stdout
    assert [line.split()[2:4] for line in seen.splitlines()[1:]] == [["1000", "1001"], ["0", "0"]]
    assert (
        host("cp", "web:/tmp/kept", "back").returncode == host("cp", "-a", "web:/tmp/kept", "back-kept").returncode == 0
    )
    found = [(host.folder / name).stat() for name in ("back", "back-kept")]
    assert [(status.st_uid, status.st_gid) for status in found] == [(0, 0), (1000, 1001)]


def test_archives(host):
    """In and out, through pipes of a shell; users are those that the container sees."""
    host.start()
    (host.folder / "dir").mkdir()
    (host.folder / "dir" / "mine").write_text("text")
    haconiwa = shlex.join(map(str, haconiwa_command()))
    script = f"tar c --owner=7 --group=8 dir | {haconiwa} cp -a - web:/tmp && {haconiwa} cp web:/tmp/dir - | tar tv"
    done = subprocess.run(
        ["sh", "-c", script], cwd=host.folder, env=host.environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["7/8", "7/8"]
    assert (host.data / "dir" / "mine").stat().st_uid == FIRST_USER + 7


def test_without_a_user_namespace(host):
    host.start(mapped=False)
    (host.folder / "mine").write_text("text")
    assert host("cp", "mine", "web:/tmp/").returncode == 0
    assert (host.data / "mine").stat().st_uid == 0
    assert host("cp", "web:/tmp/.", "all").returncode == 0
    assert (host.folder / "all" / "mine").read_text() == "text"


def test_a_paused_container(host):
    host.start("--pids-limit", "50")
    assert host("pause", "web").returncode == 0
    (host.folder / "mine").write_text("text")
    assert host("cp", "mine", "web:/tmp/there").returncode == 0
    assert host("cp", "web:/tmp/there", "back").returncode == 0
    assert (host.folder / "back").read_text() == "text"
    assert host("unpause", "web").returncode == 0


def test_what_cannot_be_copied_is_told_and_all_else_is_copied(host):
    host.start(script="mkdir /tmp/d; mkfifo /tmp/d/pipe; echo text >/tmp/d/file; touch /tmp/ready; sleep 1000")
    await_file(host.data / "ready")
    done = host("cp", "web:/tmp/d", "d")
    assert done.returncode == 125
    assert done.stderr == "haconiwa: error: not copied: web:/tmp/d/pipe: a named pipe\n"
    assert (host.folder / "d" / "file").read_text() == "text\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "b"], "one of SOURCE and TARGET must be in a container"),
        (["web:/a", "web:/b"], "one of SOURCE and TARGET must be in a container"),
        (["nosuch:/a", "b"], "nosuch"),
        (["web:", "b"], "web: names no path; write web:/ for all of the container"),
        (["web:/nosuch", "b"], "web:/nosuch: No such file or directory"),
        (["nosuch", "web:/tmp/"], "nosuch: No such file or directory"),
        (["/etc/passwd", "web:/nosuch/"], "web:/nosuch/: there is no such directory"),
        (["/etc/passwd", "web:/bin/new"], "web:/bin/new: Read-only file system"),
    ],
)
def test_errors(host, words, message):
    host.start()
    done = host("cp", *words)
    assert done.returncode in (2, 125)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_it_must_run(host):
    host.start(script="exit 0")
    host("wait", "web")
    assert "the container web is not running: it is exited" in host("cp", "web:/tmp", "x").stderr


def test_a_file_of_the_host_may_have_a_colon(host):
    host.start()
    (host.folder / "web:x").write_text("text")
    assert host("cp", "./web:x", "web:/tmp/").returncode == 0
    assert (host.data / "web:x").read_text() == "text"


def test_names_cannot_act_on_the_terminal(host):
    host.start()
    os.mkfifo(host.data / "\x1b[2Jpipe")
    error = host("cp", "web:/tmp", "x").stderr
    assert "pipe" in error
    assert "\x1b" not in error


def test_it_writes_nothing_that_the_containers_root_could_not(host):
    """A directory of the host's root is mounted in the container, which has no rights in it; a link leads there."""
    shared = host.folder / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    (shared / "secret").write_text("the host's")
    (shared / "secret").chmod(0o600)
    (host.root / "shared").mkdir()
    host.start("-v", f"{shared}:/shared", script="ln -s /shared /tmp/into; touch /tmp/ready; sleep 1000")
    await_file(host.data / "ready")
    (host.folder / "mine").write_text("text")
    assert "web:/tmp/into/mine: Permission denied" in host("cp", "mine", "web:/tmp/into/").stderr
    assert "web:/tmp/into/secret: Permission denied" in host("cp", "web:/tmp/into/secret", "x").stderr
    assert [entry.name for entry in shared.iterdir()] == ["secret"]
    # What it may is done, through the same link.
    shared.chmod(0o777)
    assert host("cp", "mine", "web:/tmp/into/").returncode == 0
    assert (shared / "mine").read_text() == "text"


SWAP = """
mkdir -p /tmp/read/dir /tmp/write
i=0; while [ $i -lt 40 ]; do echo inside >/tmp/read/dir/f$i; i=$((i+1)); done
ln -s PLACE /tmp/link
touch /tmp/ready
while true; do
    mv /tmp/read/dir /tmp/aside; mv /tmp/link /tmp/read/dir; sleep 0.03
    mv /tmp/read/dir /tmp/link; mv /tmp/aside /tmp/read/dir; sleep 0.03
done &
while true; do
    rm -rf /tmp/write/dir; ln -s PLACE /tmp/write/dir; sleep 0.01
    rm /tmp/write/dir; mkdir /tmp/write/dir; sleep 0.01
done
"""


def test_a_container_that_swaps_links_gets_and_shows_nothing_of_the_host(host):
    """A directory and a link to a place of the host change places all the time, while it is copied both ways.

    The place is mounted in the container under the same name, so that the link leads there from inside, too.
    """
    place = host.folder / "place"
    place.mkdir()
    for number in range(40):
        (place / f"f{number}").write_text("the host's")
    (host.folder / "tree" / "dir").mkdir(parents=True)
    for number in range(40):
        (host.folder / "tree" / "dir" / f"g{number}").write_text("copied")
    (host.root / str(place).lstrip("/")).mkdir(parents=True)
    host.start("-v", f"{place}:{place}", script=SWAP.replace("PLACE", str(place)))
    await_file(host.data / "ready")
    expected = {"files", ("link", True), ("link", False), ("told", 125)}
    seen = set()
    for turn in range(100):
        out = host("cp", "web:/tmp/read", f"out-{turn}")
        into = host("cp", "tree/.", "web:/tmp/write")
        assert "Traceback" not in out.stderr + into.stderr
        copied = host.folder / f"out-{turn}" / "dir"
        seen |= {("link", copied.is_symlink()), ("told", out.returncode), ("told", into.returncode)}
        if not copied.is_symlink() and copied.exists():
            assert {file.read_text() for file in copied.iterdir()} <= {"inside\n"}
            seen.add("files")
        # The race has taken place when not all turns were alike.
        if turn > 10 and expected <= seen:
            break
    assert {entry.name for entry in place.iterdir()} == {f"f{number}" for number in range(40)}
    assert {file.read_text() for file in place.iterdir()} == {"the host's"}
    assert expected <= seen


def await_file(path: Path) -> None:
    for _ in range(2000):
        if path.exists():
            return
        time.sleep(0.01)
    raise AssertionError(f"{path} was not made")


def test_another_process_cannot_look_into_the_one_that_acts(host):
    """It has the user of the container's root, and rights only while it acts."""
    host.start()
    process = find(Store(host.folder / "state"), "web").child

    def act(place, channel):
        # What cannot be dumped belongs to root of the host, who has no number inside.
        channel.send(f"{os.getuid()} {os.getgroups()} {os.stat('/proc/self/status').st_uid}".encode())

    with acting_in("web", process, act) as channel:
        assert channel.recv(1000).decode() == "0 [] 65534"

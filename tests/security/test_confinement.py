"""Ways out of a container that has a root of its own, ways into the process that enters it, mounts that leak."""

import os
import shutil
import subprocess
import time
from itertools import repeat
from pathlib import Path

import pytest
from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_mount import Bind, Mount
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_user import IdRange, UserNamespace
from system.world import ran, started, time_limit

from haconiwa_core.container import Container
from haconiwa_core.launch.interpreter import linux_kernel
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import PR_SET_DUMPABLE

ESCAPES = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Prints the inode of "/" as it is after an attempt to leave. */
static void double_chroot(void) {
    mkdir("/tmp/inner", 0755);
    chroot("/tmp/inner");
    for (int i = 0; i < 64; i++) chdir("..");
    chroot(".");
}

static void by_handle(void) {
    struct { struct file_handle head; unsigned char bytes[8]; } handle = {{8, 1}, {2, 0, 0, 0, 0, 0, 0, 0}};
    int mount = open("/", O_RDONLY);
    int root = open_by_handle_at(mount, &handle.head, O_RDONLY);
    if (root >= 0 && fchdir(root) == 0) chroot(".");
}

int main(int argc, char **argv) {
    struct stat status;
    if (strcmp(argv[1], "chroot") == 0) double_chroot(); else by_handle();
    if (chdir("/") || stat("/", &status)) return 1;
    printf("%lu:%lu\n", (unsigned long)status.st_dev, (unsigned long)status.st_ino);
    return 0;
}
"""


def identity(path):
    status = os.stat(path)
    return f"{status.st_dev}:{status.st_ino}"


@pytest.fixture(scope="module")
def escape(tmp_path_factory):
    if not shutil.which("gcc"):
        pytest.skip("needs gcc, to make a static program that tries to escape")
    folder = tmp_path_factory.mktemp("escape")
    (folder / "escape.c").write_text(ESCAPES)
    subprocess.run(["gcc", "-static", "-w", "-o", folder / "escape", folder / "escape.c"], check=True)
    return folder / "escape"


def attempt(escape, root, *features, way="chroot"):
    shutil.copy(escape, root / "escape")
    return ran(Container("escape", ["/escape", way], [Chroot(str(root)), *features])).output.strip()


def test_a_second_chroot_does_not_leave_a_pivoted_root(escape, root):
    assert attempt(escape, root, MountNamespace()) == identity(root)


def test_a_second_chroot_leaves_a_plain_one(escape, root):
    """The control, and what the documentation of a plain chroot says."""
    assert attempt(escape, root) == identity("/")


MAP = (IdRange(0, 100_000, 65536),)


@pytest.mark.parametrize("feature", [Credentials(uid=1000), UserNamespace(uid_map=MAP, gid_map=MAP)])
def test_a_file_handle_does_not_lead_outside(escape, root, feature):
    """open_by_handle_at(2) needs CAP_DAC_READ_SEARCH; root, who has it, is the control and can leave."""
    if attempt(escape, root, MountNamespace(), way="handle") != identity("/"):
        pytest.skip("the root directory's file system gives its root another handle than ext4 does")
    assert attempt(escape, root, MountNamespace(), feature, way="handle") == identity(root)


KERNEL = linux_kernel()

WATCH = """
echo ready
while [ ! -e /mnt/stop ]; do
  for pid in /proc/[0-9]*; do
    [ $pid = /proc/1 ] && continue
    exe=$(readlink $pid/exe) && case $exe in */busybox) ;; *) echo "exe $pid $exe" ;; esac
    grep -q secret-of-the-caller $pid/environ && echo "environ $pid"
    for fd in $pid/fd/*; do target=$(readlink $fd) && case $target in *haconiwa*) echo "fd $target" ;; esac; done
  done 2>/dev/null
done
exit 0
"""


def leaves_open(number, *arguments):
    """A kernel that lets every process be looked into, and gives time for it: how often is not the control's matter."""
    if number == Call.execve:
        time.sleep(0.5)
    return 0 if number == Call.prctl and arguments[0] == PR_SET_DUMPABLE else KERNEL(number, *arguments)


@pytest.mark.parametrize(("kernel", "seen"), [(KERNEL, False), (leaves_open, True)], ids=["", "control"])
def test_an_entering_process_cannot_be_looked_into(root, tmp_path, monkeypatch, kernel, seen):
    """A container whose processes are joined watches them arrive: nothing of the runtime can be read."""
    # With the caller's own ids, and all capabilities over them, only "dumpable" stands between.
    ids = (IdRange(0, 0, 65536),)
    shared = tmp_path / "shared"
    shared.mkdir()
    container = Container(
        "watched",
        ["/bin/sh", "-c", WATCH],
        [
            UserNamespace(uid_map=ids, gid_map=ids),
            PidNamespace(),
            MountNamespace(),
            Chroot(str(root)),
            Mount(proc=True, dev=True, bind=(Bind(str(shared), "/mnt"),)),
        ],
    )
    monkeypatch.setenv("SECRET", "secret-of-the-caller")
    joins = [kind(join="watched") for kind in (UserNamespace, PidNamespace, MountNamespace)]
    entering = Container("entering", ["/bin/busybox", "true"], joins)
    with open(os.devnull, "rb") as null, open(tmp_path / "seen", "w+b") as sink, time_limit(60):
        streams = {"stdin": null.fileno(), "stdout": sink.fileno(), "stderr": 2}
        watcher = started(container, streams, name="watched")
        for _ in repeat(None) if seen else repeat(None, 40):
            assert ran(entering, kernel=kernel).status == 0
            if seen and os.pread(sink.fileno(), 1 << 16, len("ready\n")):
                break
        (shared / "stop").touch()
        assert watcher.finish(remove=True).exit_status == 0
        assert (os.pread(sink.fileno(), 1 << 16, 0) != b"ready\n") is seen


def test_mounts_do_not_propagate(root, tmp_path, leaves_nothing):
    """The host's tree is shared; what a container mounts stays in it."""
    assert any("shared:" in line for line in Path("/proc/self/mountinfo").read_text().splitlines())
    features = [MountNamespace(), Chroot(str(root), read_only=False), Mount(proc=True, dev=True)]
    script = "mount -t tmpfs none /srv && mount --bind /bin /mnt"
    before = Path("/proc/self/mountinfo").read_text()
    for _ in range(20):
        assert ran(Container("leak", ["/bin/sh", "-c", script], features)).status == 0
    assert Path("/proc/self/mountinfo").read_text() == before


def test_a_set_user_id_file_of_a_bind_has_no_effect(tmp_path):
    source = tmp_path / "source"
    source.mkdir(mode=0o755)
    shutil.copy("/usr/bin/id", source / "id")
    (source / "id").chmod(0o4755)

    def effective(nosuid):
        mount = Mount(bind=(Bind(str(source), "/mnt", nosuid=nosuid),))
        features = [MountNamespace(), mount, Credentials(uid=1000)]
        return ran(Container("suid", ["/mnt/id", "-u"], features)).output.strip()

    assert effective(nosuid=True) == "1000"
    assert effective(nosuid=False) == "0"


def test_device_files_of_a_bind_cannot_be_opened(root, tmp_path):
    source = tmp_path / "source"
    source.mkdir(mode=0o755)
    os.mknod(source / "zero", 0o020666, os.makedev(1, 5))

    def opened(nodev):
        mount = Mount(bind=(Bind(str(source), "/mnt", nodev=nodev),))
        command = ["/bin/busybox", "head", "-c", "1", "/mnt/zero"]
        return ran(Container("dev", command, [MountNamespace(), Chroot(str(root)), mount])).status

    assert opened(nodev=True) != 0
    assert opened(nodev=False) == 0

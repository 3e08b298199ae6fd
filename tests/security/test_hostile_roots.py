"""A root made by an enemy: nothing outside it is touched, and nothing of it runs with the host's rights."""

import errno
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_mount import Bind, Mount, Overlay, Tmpfs
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_pid import PidNamespace
from system.world import libc, planned, ran, started, time_limit

from haconiwa_core.container import Container
from haconiwa_core.errors import DefinitionError, SetupError
from haconiwa_core.linux import constants as c
from haconiwa_core.testing import fork

MS_BIND = 0x1000


@pytest.fixture
def victim(tmp_path):
    """A directory of the host that must stay as it is."""
    path = tmp_path / "victim"
    path.mkdir()
    (path / "precious").write_text("untouched")
    yield path
    assert os.listdir(path) == ["precious"]
    assert (path / "precious").read_text() == "untouched"
    assert not any(str(path) in line for line in Path("/proc/self/mountinfo").read_text().splitlines())


def replace(path, target):
    """Put a symbolic link in the place of a directory of the root."""
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.symlink_to(target)


def links_to(victim):
    return [str(victim), f"../../../../../../../../../..{victim}"]


def outcome_of(run):
    """Return a container's exit status, or the stage in which its start failed."""
    try:
        return run().status
    except SetupError as error:
        return error.stage


def start(root, mount, *, read_only=True):
    features = [PidNamespace(), MountNamespace(), Chroot(str(root), read_only=read_only), mount]
    return ran(Container("hostile", ["/bin/busybox", "true"], features))


@pytest.mark.parametrize("kind", [0, 1], ids=["absolute", "climbing"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("proc", {"proc": True}),
        ("sys", {"sysfs": True}),
        ("dev", {"dev": True}),
        ("dev", {"dev": True, "devpts": True, "shm": True, "mqueue": True}),
        ("dev", {"shm": True}),
        ("etc", {"tmpfs": (Tmpfs("/etc/inside"),)}),
        ("etc", {"bind": (Bind("/etc/hostname", "/etc/hostname"),)}),
        ("srv", {"tmpfs": (Tmpfs("/srv"),)}),
        ("srv", {"bind": (Bind("/usr", "/srv/deep/er"),)}),
        ("srv", {"overlay": (Overlay("/srv", lower=("/usr",)),)}),
        ("srv", {"masked": ("/srv/precious",), "read_only": ("/srv",)}),
    ],
)
def test_directories_that_lead_outside(root, victim, name, options, kind, leaves_nothing):
    replace(root / name, links_to(victim)[kind])
    # A kernel file system wants a real directory; the target of others is made where the link points in the root.
    wants_directory = options.keys() & {"proc", "sysfs", "dev", "shm"}
    outcome = outcome_of(lambda: start(root, Mount(**options), read_only=False))
    assert outcome in ({"MOUNTS"} if wants_directory else {"MOUNTS", 0})


@pytest.mark.parametrize("name", ["hostname", "hosts", "resolv.conf"])
def test_files_that_lead_outside(root, victim, name, leaves_nothing):
    (root / "etc" / name).symlink_to(victim / "precious")
    with pytest.raises(SetupError) as caught:
        start(root, Mount(bind=(Bind("/etc/hostname", f"/etc/{name}"),)))
    assert caught.value.stage == "MOUNTS"


def test_a_null_device_that_is_none(root, victim, leaves_nothing):
    """What masks is the host's null device, whatever the root calls /dev/null."""
    (root / "dev/null").symlink_to(victim / "precious")
    (root / "secret").write_text("hidden")
    features = [MountNamespace(), Chroot(str(root)), Mount(masked=("/secret",))]
    assert ran(Container("hostile", ["/bin/busybox", "cat", "/secret"], features)).output == ""


def test_a_null_device_of_the_host_that_is_none(root, tmp_path, leaves_nothing):
    """Nothing but the null device is bound in the place of what is hidden."""
    false = tmp_path / "false"
    false.write_text("shown")
    (root / "secret").write_text("hidden")
    features = [MountNamespace(), Chroot(str(root)), Mount(masked=("/secret",))]
    libc("mount", os.fsencode(false), b"/dev/null", None, MS_BIND, None)
    try:
        with pytest.raises(SetupError) as caught:
            ran(Container("hostile", ["/bin/busybox", "cat", "/secret"], features))
    finally:
        libc("umount2", b"/dev/null", c.MNT_DETACH)
    assert (caught.value.plugin, caught.value.stage) == ("mount", "MOUNTS")


def test_a_kernel_filesystem_is_what_it_says(root):
    """Mounts that would cover proc or sysfs are refused before anything runs."""
    for target in ("/proc", "/proc/self/attr", "/sys/fs", "/proc/../proc"):
        with pytest.raises(DefinitionError):
            planned(Container("x", ["x"], [MountNamespace(), Chroot(str(root)), Mount(tmpfs=(Tmpfs(target),))]))


def writing(path, root):
    features = [PidNamespace(), MountNamespace(), Chroot(str(root), read_only=False), Mount(proc=True)]
    return Container("x", ["/bin/busybox", "echo", "said"], [*features, Credentials(uid=1000)], stdout=f"file:{path}")


@pytest.mark.parametrize("kind", [0, 1], ids=["absolute", "climbing"])
def test_streams_that_lead_outside(root, victim, kind, leaves_nothing):
    (root / "tmp/out").symlink_to(f"{links_to(victim)[kind]}/precious")
    with pytest.raises(SetupError) as caught:
        ran(writing("/tmp/out", root))
    assert (caught.value.stage, caught.value.errno) == ("SESSION", errno.ENOENT)


def test_a_stream_through_a_link_that_stays_inside(root):
    """The control of the one above."""
    (root / "tmp/out").symlink_to("../srv/said")
    assert ran(writing("/tmp/out", root)).status == 0
    assert (root / "srv/said").read_text() == "said\n"


def test_a_stream_that_leads_to_what_the_start_has_open(root, tmp_path, leaves_nothing):
    """A file that the caller has given to be read is not written through a link to it."""
    given = tmp_path / "given"
    given.write_text("precious")
    (root / "tmp/out").symlink_to("/proc/self/fd/0")
    with given.open() as source, pytest.raises(SetupError) as caught:
        started(writing("/tmp/out", root), {"stdin": source.fileno(), "stdout": 1, "stderr": 2})
    assert (caught.value.stage, caught.value.errno) == ("SESSION", errno.ELOOP)
    assert given.read_text() == "precious"


TRAPS = ("encodings", "sitecustomize", "usercustomize", "idna", "stringprep", "ctypes", "errno", "socket")
LIBRARIES = ("libnss_files.so.2", "libnss_compat.so.2", "libc.so.6", "libgcc_s.so.1")
PROGRAMS = ("sh", "python3", "nsenter", "ps", "mount", "newuidmap")


def set_traps(root):
    """Put what leaves a marker where a Python in the root would find its modules, libraries and programs."""
    for folder in {sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"), "/usr/lib/python3"}:
        place = root / folder.lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        for name in TRAPS:
            (place / f"{name}.py").write_text("open('/mnt/marker', 'w')\n")
    for folder in ("usr/lib/x86_64-linux-gnu", "usr/bin"):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name in (*LIBRARIES, *PROGRAMS):
            trap = root / folder / name
            trap.write_text("#!/bin/busybox sh\n/bin/busybox touch /mnt/marker\n")
            trap.chmod(0o755)


def test_modules_libraries_and_programs_of_the_root(root, tmp_path, leaves_nothing):
    """Only the command itself is executed, and it alone reads the root's files."""
    set_traps(root)
    shared = tmp_path / "shared"
    shared.mkdir()
    options = Mount(proc=True, dev=True, bind=(Bind(str(shared), "/mnt", read_only=False),))
    assert start(root, options).status == 0
    assert os.listdir(shared) == []


@pytest.mark.parametrize("act", ["import stringprep", "import subprocess; subprocess.run(['/usr/bin/ps'])"])
def test_the_traps_are_where_they_would_be_met(root, act):
    """The control: a Python that has entered the root meets them."""
    set_traps(root)
    # It may not have loaded the module beforehand, and must have loaded what it enters with.
    enter = f"import os, subprocess; os.chroot({str(root)!r}); os.chdir('/'); {act}"
    subprocess.run([sys.executable, "-I", "-c", enter], check=True)
    assert os.listdir(root / "mnt") == ["marker"]


@pytest.mark.parametrize("name", ["passwd", "group"])
@pytest.mark.parametrize(
    "hostile",
    [
        os.mkfifo,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to("/proc/self/fd/0"),
        lambda path: path.symlink_to("../../../../../../../../etc/shadow"),
        lambda path: path.mkdir(),
        lambda path: path.symlink_to(path),
        lambda path: path.write_bytes(b"x" * (2 << 20)),
        lambda path: os.mknod(path, 0o020666, os.makedev(1, 5)),
    ],
    ids=["fifo", "zero", "descriptor", "shadow", "directory", "loop", "huge", "device"],
)
def test_user_files_that_are_none(root, name, hostile):
    for other in {"passwd", "group"} - {name}:
        (root / "etc" / other).write_text("")
    hostile(root / "etc" / name)
    credentials = Credentials(uid="root", lookup="root")
    with time_limit(2), pytest.raises(DefinitionError, match=f"cannot read /etc/{name} in "):
        planned(Container("x", ["x"], [MountNamespace(), Chroot(str(root)), credentials]))


def test_the_host_users_are_not_read_for_the_root(root):
    (root / "etc/passwd").write_text("evil:x:0:0:::\n0:x:5:5:::\nroot:x:notanumber:0:::\nroot:x:0:0:::\n")
    (root / "etc/group").write_text("")
    (root / "etc/shadow").symlink_to("/etc/shadow")
    plan = planned(Container("x", ["x"], [Chroot(str(root)), MountNamespace(), Credentials(uid="evil", lookup="root")]))
    assert [item.path for item in plan.inputs] == [str(root / "etc/passwd"), str(root / "etc/group")]


def test_working_directories_in_proc():
    for path in ("/proc/self/fd/{}", "//proc/1/cwd/{}", "/srv/../proc/self/fd/{}"):
        for number in range(32):
            with pytest.raises(DefinitionError, match="workdir: must not lie in /proc"):
                planned(Container("x", ["x"], workdir=path.format(number)))


def test_working_directories_through_descriptors(root, victim, leaves_nothing):
    """A link of the root to a descriptor, of the caller or of the start, leads nowhere outside."""
    features = [PidNamespace(), MountNamespace(), Chroot(str(root)), Mount(proc=True, dev=True)]
    opened = [os.open(victim, os.O_RDONLY | os.O_DIRECTORY) for _ in range(20)]
    for number in opened:
        os.set_inheritable(number, True)
    # The command succeeds if it finds what lies in the caller's descriptors.
    command = ["/bin/busybox", "cat", "precious"]
    try:
        for number in range(32):
            (root / "door").symlink_to(f"/proc/self/fd/{number}")
            container = Container("x", command, features, workdir="/door")
            assert outcome_of(lambda container=container: ran(container)) in {"CREDENTIALS", 1}
            (root / "door").unlink()
    finally:
        for number in opened:
            os.close(number)


STARTS = 100
RENAME_EXCHANGE = 2


def test_a_target_that_is_swapped_while_it_is_mounted(root, victim):
    """The shared directory is now a directory, now a link outside, while containers start."""
    shared = root / "srv"
    target, link = shared / "target", shared / "link"
    target.mkdir()
    link.symlink_to(victim)
    stop = root.parent / "stop"

    def swap():
        while not stop.exists():
            libc("renameat2", c.AT_FDCWD, os.fsencode(target), c.AT_FDCWD, os.fsencode(link), RENAME_EXCHANGE)

    swapper = fork(swap)
    features = [
        MountNamespace(),
        Chroot(str(root), read_only=False),
        Mount(tmpfs=(Tmpfs("/srv/target/deep"),), bind=(Bind("/etc/hostname", "/srv/target/file"),)),
    ]
    plan = planned(Container("race", ["/bin/busybox", "true"], features))
    outcomes = set()
    try:
        for _ in range(STARTS):
            outcomes.add(outcome_of(lambda: ran(plan)))
    finally:
        stop.touch()
        assert os.waitpid(swapper, 0)[1] == 0
    assert outcomes <= {0, "MOUNTS"}

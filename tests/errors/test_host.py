"""What the host does not allow, or does not have: the text tells which setting, right, or place."""

import errno
import os
import subprocess
from pathlib import Path

import pytest
from errors.support import COMMAND, NOBODY, error_of, put, told
from haconiwa_cgroup import Cgroup
from haconiwa_doctor.causes import namespaces
from haconiwa_ns_user import UserNamespace

from haconiwa_core.host import gather
from haconiwa_core.runtime.cause import Failure, explained
from haconiwa_core.testing import host, needs_program, plan_of, run

pytestmark = needs_program("setpriv")

FULL = "ENOSPC (No space left on device)"
READ_ONLY = "EROFS (Read-only file system)"
MOUNTING = "mount: MOUNTS: attach_below_root(<mount-/proc>, '/proc', False) [mkdirat]"
FORBIDDEN = "EPERM (Operation not permitted)"


def in_user_namespace(script: str) -> tuple[str, ...]:
    """Return the beginning of a command in a user namespace, in which a script has run first."""
    return ("unshare", "--user", "--map-root-user", "sh", "-ec", f'{script}; exec "$@"', "sh")


@pytest.mark.parametrize("kind", ["user", "uts", "net"])
def test_namespaces_of_which_there_may_be_none(kind):
    through = in_user_namespace(f"echo 0 >/proc/sys/user/max_{kind}_namespaces")
    text = told("run", "--with", f"ns-{kind}", "--", "true", through=through)
    name = f"user.max_{kind}_namespaces"
    assert text == (
        f"core: CLONE: clone(CLONE_NEW{kind.upper()}) [clone3]: {FULL}: {name} is 0: the caller may have no {kind}"
        f" namespaces; set it: `sysctl -w {name}=15000`, and for good in /etc/sysctl.d/50-haconiwa.conf"
    )


def test_the_same_is_made_where_there_may_be_some():
    through = in_user_namespace("echo 5 >/proc/sys/user/max_user_namespaces")
    text = told("run", "--rm", "--with", "ns-user", "--", "true", through=through)
    # As far as a namespace lets it that denies groups.
    assert text == (
        f"core: CREDENTIALS: set_groups(()) [setgroups]: {FORBIDDEN}: the user namespace that the caller is in denies"
        " setgroups(2), as /proc/self/setgroups tells; let root map the ids of that namespace, or start it outside"
    )


def test_a_user_namespace_in_a_chroot(tmp_path):
    """The kernel gives none there."""
    outer = tmp_path / "outer"
    outer.mkdir()
    # A directory that is no mount, with all of the host's files below it.
    for name in os.listdir("/"):
        place = Path("/", name)
        if place.is_symlink():
            (outer / name).symlink_to(os.readlink(place))
        elif place.is_dir():
            (outer / name).mkdir()
            subprocess.run(["mount", "--rbind", "--make-rslave", place, outer / name], check=True)
    try:
        text = told("run", "--with", "ns-user", "--", "true", through=("chroot", str(outer)))
    finally:
        for mounted in outer.iterdir():
            if mounted.is_mount():
                subprocess.run(["umount", "--lazy", mounted], check=True)
    assert text == (
        f"core: CLONE: clone(CLONE_NEWUSER) [clone3]: {FORBIDDEN}: the caller is in a chroot, where the kernel gives"
        " no user namespaces; start it outside"
    )


def test_a_capability_that_the_caller_lacks(root):
    through = ("setpriv", "--bounding-set=-sys_chroot", "--inh-caps=-sys_chroot")
    text = told("run", "--set", f"chroot.root={root}", "--", "/bin/true", through=through)
    assert text == (
        f"chroot: ROOT: change_root(<root>) [chroot]: {FORBIDDEN}: chroot needs CAP_SYS_CHROOT, which the caller does"
        " not have; leave CAP_SYS_CHROOT to who starts it: CapabilityBoundingSet= of a systemd unit, --cap-add of"
        " another runtime"
    )


def test_capabilities_that_a_namespace_needs():
    """What planning can tell is told before anything runs."""
    through = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")
    text = told("run", "--with", "ns-pid", "--", "true", through=through, status=2)
    assert text.endswith("needs CAP_SYS_ADMIN, which the caller does not have; run as root, or add ns-user")


def test_a_control_group_that_is_not_delegated():
    if not gather().cgroups:
        pytest.skip("no hierarchy of control groups is mounted")
    text = error_of(lambda: run(Cgroup(parent=f"/errors-{os.getpid()}"), command=["true"]))
    before, _, after = text.partition("the caller may not change the control group ")
    assert before.startswith("cgroup: PREPARE: make_parents('")
    assert "EACCES" in before
    place, _, rest = after.partition(": it belongs to ")
    mode = os.stat(place).st_mode & 0o7777
    assert rest == (
        f"user 0 (mode {mode:04o}), and was not delegated to user {NOBODY}); start it as"
        " `haconiwa scope run ...` (of haconiwa-scope, where systemd is), or name a parent"
    )


def test_a_root_on_a_read_only_file_system(small):
    """A mount point cannot be made in it."""
    (small / "bin").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    text = told(
        "run",
        "--with",
        "ns-mount",
        "--with",
        "ns-pid",
        f"--set=chroot.root={small}",
        "--set=mount.proc=true",
        "--",
        "/bin/true",
    )
    assert text == (
        f"{MOUNTING}: {READ_ONLY}: {small} (tmpfs, tmpfs) is mounted"
        f" read-only on the host; make it writable: `mount -o remount,rw {small}`, or make beforehand what is missing"
        " in it"
    )


def test_a_root_that_is_read_only_by_its_definition(root, tmp_path):
    file = put(
        tmp_path / "c.toml",
        f'command = ["/bin/true"]\nstdout = "file:/srv/log"\nns-mount = {{}}\n'
        f'chroot = {{ root = "{root}", read_only = true }}\n',
    )
    text = told("run", file)
    assert text.startswith("core: SESSION: <stdout> = open_file_inside('/srv/log'")
    assert text.endswith(
        f" [openat2]: {READ_ONLY}: {root}/srv is writable on the host: it is chroot that makes the container's root"
        " read-only; leave read_only out of chroot, or give the path a mount of its own"
    )


def test_a_disk_that_is_full(small):
    (small / "filler").write_bytes(bytes(1 << 16))
    text = told("run", "--name=web", "--", "true", through=("env", f"HACONIWA_STATE={small}/state"))
    assert text == (
        f"cannot write {small}/state/web/record.json: No space left on device: {small} (tmpfs, tmpfs) is full: 0"
        f" of 64 KiB are left; make room: `df {small}/state/web`"
    )


def test_a_disk_without_inodes(small):
    number = 0
    try:
        while True:
            (small / f"file-{number}").touch()
            number += 1
    except OSError:
        (small / "file-0").unlink()
        (small / "bin").mkdir()
    text = told(
        "run",
        "--with=ns-mount",
        "--with=ns-pid",
        f"--set=chroot.root={small}",
        "--set=mount.proc=true",
        "--",
        "/bin/true",
    )
    assert text == (
        f"{MOUNTING}: {FULL}: {small} (tmpfs, tmpfs) has none of 32 inodes left; remove files: `df -i {small}`"
    )


def test_a_place_of_the_host_that_is_closed(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o700)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    text = error_of(lambda: run(command=["true"], stdout=f"host:{tmp_path}/closed/log"))
    assert text.startswith(f"core: PREPARE: <stdout> = open_file('{tmp_path}/closed/log'")
    assert text.endswith(
        f"EACCES (Permission denied): {tmp_path}/closed belongs to user 0 (mode 0700), and the caller is user {NOBODY}"
    )


@pytest.mark.parametrize("arguments", [(), ("--with", "ns-user")])
def test_a_filter_that_hides_a_call(arguments):
    """As Docker's does, and ours, which is made like it."""
    outer = ("run", "--rm", "--with=capabilities", "--with=no-new-privs", "--with=seccomp", "--")
    text = told("run", *arguments, "--", "true", through=(*COMMAND, *outer))
    flags = "CLONE_NEWUSER" if arguments else "0"
    assert text == (
        f"core: CLONE: clone({flags}) [clone3]: ENOSYS (Function not implemented): a filter of system calls is in force"
        " for the caller, and may hide clone3, as other runtimes' do; let who started the caller allow clone3:"
        " --security-opt seccomp=PROFILE of Docker"
    )


def settings(folder: Path, **values: str) -> Path:
    for name, value in values.items():
        put(folder / name.replace("__", "/"), f"{value}\n")
    return folder


@pytest.mark.parametrize(
    ("values", "privileged", "expected"),
    [
        ({"user__max_user_namespaces": "100"}, False, []),
        ({"user__max_user_namespaces": "0"}, True, ["user.max_user_namespaces is 0"]),
        ({"kernel__unprivileged_userns_clone": "1"}, False, []),
        ({"kernel__unprivileged_userns_clone": "0"}, True, []),
        ({"kernel__unprivileged_userns_clone": "0"}, False, ["kernel.unprivileged_userns_clone is 0"]),
        (
            {"kernel__apparmor_restrict_unprivileged_userns": "1"},
            False,
            ["kernel.apparmor_restrict_unprivileged_userns is 1"],
        ),
        ({"kernel__apparmor_restrict_unprivileged_userns": "0"}, False, []),
    ],
)
def test_settings_of_other_distributions(values, privileged, expected, tmp_path, monkeypatch):
    """This kernel has none of these files, so that they are read from another folder."""
    monkeypatch.setattr(namespaces, "_SETTINGS", settings(tmp_path, **values))
    found = list(namespaces.policies(privileged=privileged))
    assert [cause.text.partition(":")[0] for cause in found] == expected
    assert all("sysctl -w" in cause.remedy for cause in found)


def test_the_step_after_a_user_namespace(tmp_path, monkeypatch):
    """Where AppArmor gives ordinary users one in which nothing is allowed, the error of that step names the setting."""
    put(tmp_path / "kernel/apparmor_restrict_unprivileged_userns", "1\n")
    monkeypatch.setattr(namespaces, "_SETTINGS", tmp_path)
    ordinary = host(uid=1000, gid=1000, capabilities=0)
    for function, call in (("become_root", "setresgid"), ("write_id_maps", "")):
        plan = plan_of(UserNamespace(), command=["true"], host=ordinary)
        (planned,) = (item for item in plan.steps if item.step.function.__name__ == function)
        cause = explained(Failure(plan, planned, errno.EPERM, call))
        assert cause.text.startswith("kernel.apparmor_restrict_unprivileged_userns is 1: AppArmor lets ordinary users")
        assert "`userns,`" in cause.remedy

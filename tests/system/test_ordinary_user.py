"""The same command line, called by a user without any privilege."""

import json
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from system.world import haconiwa, make_root, reap_everything

from haconiwa_core.linux.host import adopt_orphans
from haconiwa_core.testing import needs_landlock

UID = 65534
PYTHON = "/usr/bin/python3"
CHECKOUT = Path(__file__).parents[2]
PATHS = [CHECKOUT, sysconfig.get_path("purelib"), *sorted([*CHECKOUT.glob("plugins/*"), *CHECKOUT.glob("contrib/*")])]


def as_user(*command, **keywords):
    drop = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
    return subprocess.run(
        [*drop, *map(str, command)], check=False, capture_output=True, text=True, timeout=60, **keywords
    )


@pytest.fixture(scope="module")
def _usable():
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv (util-linux)")
    environment = {"PYTHONPATH": os.pathsep.join(map(str, PATHS))}
    tried = as_user(PYTHON, "-c", "import haconiwa_core.cli.main, structlog, haconiwa_ns_user", env=environment)
    if tried.returncode:
        pytest.skip(f"an ordinary user cannot run the checkout with {PYTHON}: {tried.stderr.splitlines()[-1]}")
    if as_user("unshare", "--user", "true").returncode:
        pytest.skip("this kernel gives ordinary users no user namespaces")


@pytest.fixture
def user(_usable):
    """Run the command line as an ordinary user with a runtime directory of their own."""
    runtime = Path("/run/user")
    runtime.mkdir(mode=0o700)
    os.chown(runtime, UID, UID)
    variables = {
        "PYTHONPATH": os.pathsep.join(map(str, PATHS)),
        "XDG_RUNTIME_DIR": str(runtime),
        "PATH": os.environ["PATH"],
    }

    def run(*arguments, without=(), **keywords):
        environment = {name: value for name, value in variables.items() if name not in without}
        return as_user(PYTHON, "-m", "haconiwa_core", *arguments, env=environment, cwd="/", **keywords)

    return run


@pytest.fixture
def readable_root():
    """A root that the user can walk to: pytest's own folders are root's only."""
    root = Path("/run/root")
    root.mkdir(mode=0o755)
    make_root(root / "fs")
    return root / "fs"


def output(done):
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def shell(script):
    return ["--", "/bin/sh", "-c", script]


def test_the_isolation_of_what_runs(user):
    named = [option for kind in ("user", "pid", "uts", "net", "mount") for option in ("--with", f"ns-{kind}")]
    confined = ["--with", "no-new-privs", "--with", "seccomp", "--set", "mount.proc=true"]
    assert output(user("run", "-d", "--name", "web", *named, *confined, "--", "sleep", "1000")) == ["web"]
    shown = user("inspect", "--isolation", "web", "--format", "json")
    assert user("rm", "--force", "web").returncode == 0
    rows = {row["what"]: row for row in json.loads(shown.stdout)}
    assert rows["pid namespace"]["state"] == rows["user namespace"]["state"] == rows["mount /proc"]["state"] == "holds"
    assert rows["user map"]["in_force"] == f"1 from 0 are {UID}"
    # To be told a name, one would have to be in its namespace, which an ordinary user may not enter.
    assert {what for what, row in rows.items() if row["state"] == "unknown"} == {"host name", "loopback interface"}
    assert [what for what, row in rows.items() if row["state"] == "fails"] == []


def test_user_namespace_with_a_single_map(user):
    script = shell("id -u; cat /proc/self/uid_map; cat /proc/self/setgroups")
    assert output(user("run", "--rm", "--with", "ns-user", *script)) == ["0", "0", str(UID), "1", "deny"]


@pytest.mark.parametrize("kind", ["cgroup", "ipc", "mount", "net", "pid", "time", "uts"])
def test_every_kind_of_namespace(user, kind):
    name = {"mount": "mnt"}.get(kind, kind)
    done = user("run", "--rm", "--with", "ns-user", "--with", f"ns-{kind}", *shell(f"readlink /proc/self/ns/{name}"))
    assert output(done) != [os.readlink(f"/proc/self/ns/{name}")]


def test_time_offsets(user):
    done = user(
        "run", "--rm", "--with", "ns-user", "--set", "ns-time.boottime=500", *shell("cat /proc/self/timens_offsets")
    )
    assert output(done) == ["monotonic", "0", "0", "boottime", "500", "0"]


def test_root_and_mounts(user, readable_root):
    options = ["ns-user", "ns-pid", "ns-mount", "ns-net", "ns-ipc", "ns-uts"]
    settings = [
        f"chroot.root={readable_root}",
        "mount.proc=true",
        "mount.dev=true",
        "mount.devpts=true",
        "mount.shm=true",
    ]
    arguments = [word for name in options for word in ("--with", name)]
    arguments += [word for text in settings for word in ("--set", text)]
    script = (
        "echo $$; ls /proc | grep -c '^[0-9]'; echo x > /dev/null && echo written; touch /made 2>/dev/null || echo no"
    )
    assert output(user("run", "--rm", *arguments, *shell(script)))[0:1] == ["1"]
    assert output(user("run", "--rm", *arguments, *shell(script)))[2:] == ["written", "no"]


def test_plain_chroot(user, readable_root):
    done = user("run", "--rm", "--with", "ns-user", "--set", f"chroot.root={readable_root}", *shell("ls -d /merged"))
    assert output(done) == ["/merged"]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("drop=['mknod']", "00000000a00425fb"), ("keep=['sys_resource']", "0000000001000000"), ("reset=true", "0" * 16)],
)
def test_capabilities_of_a_user_namespace(user, setting, expected):
    script = "grep -E '^Cap(Prm|Eff|Bnd)' /proc/self/status | cut -f 2"
    done = user("run", "--rm", "--with", "ns-user", "--set", f"capabilities.{setting}", *shell(script))
    assert output(done) == [expected] * 3


@needs_landlock(2)
@pytest.mark.parametrize("feature", ["no-new-privs", "ns-user"])
def test_landlock(user, feature):
    paths = [f"--set=landlock.{option}=['/']" for option in ("read", "execute")]
    older = "--set=landlock.unrestricted=['truncate', 'ioctl_dev']"
    script = shell("(: > /dev/null) 2>&- || echo denied")
    assert output(user("run", "--rm", "--with", feature, *script)) == []
    assert output(user("run", "--rm", "--with", feature, *paths, older, *script)) == ["denied"]


def test_limits_and_statuses_without_any_namespace(user):
    assert output(user("run", "--rm", "--set", "rlimit.nofile=40", *shell("ulimit -n; id -u"))) == ["40", str(UID)]
    assert user("run", "--rm", *shell("exit 42")).returncode == 42


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--with", "ns-pid"], "add ns-user"),
        (["--with", "ns-net"], "add ns-user"),
        (["--set", "chroot.root=/"], "add ns-user"),
        (["--with", "capabilities"], "needs CAP_SETPCAP, which the caller does not have; run as root, or add ns-user"),
        (["--set", "credentials.uid=1000"], "CAP_SETUID"),
        (["--set", "landlock.scope=['signal']"], "needs no_new_privs or CAP_SYS_ADMIN"),
        (["--set", "credentials.groups=[1000]"], "CAP_SETGID"),
        (["--with", "ns-user", "--set", "credentials.uid=1000"], "not mapped"),
        (["--set", "ns-user.uid_map=[{inside=0, outside=0, count=1}]"], "without CAP_SETUID one may map one's own id"),
        (
            ["--set", "ns-user.uid_map=[{inside=0, outside=100000, count=65536}]"],
            "without CAP_SETUID one may map one's own id",
        ),
    ],
)
def test_what_cannot_be_done_is_said(user, options, message):
    done = user("run", "--rm", *options, "--", "/bin/true")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("facts", ["own", "root's"])
def test_planning_needs_no_rights(user, facts):
    """Neither for this host as the user, nor for one whose facts root has gathered."""
    options = []
    if facts == "root's":
        Path("/run/host.json").write_text(haconiwa("plan", "--show-host").stdout)
        options = ["--host", "/run/host.json"]
    features = ["--with", "ns-user", "--set", "ns-uts.hostname=planned", "--set", "rlimit.nofile=40"]
    shown = user("plan", *options, *features, *shell("true"), without=["XDG_RUNTIME_DIR"])
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "set_host_name('planned')" in shown.stdout
    assert f" as user {UID if facts == 'own' else 0}\n" in shown.stdout
    assert os.listdir("/run/user") == []


def test_comparing_needs_no_rights(user):
    for name, limit in (("a", 40), ("b", 50)):
        Path(f"/run/{name}.toml").write_text(f'command = ["true"]\n[rlimit]\nnofile = {limit}\n')
    done = user("diff", "/run/a.toml", "/run/b.toml")
    assert (done.returncode, done.stderr) == (1, "")
    assert "set_limit(RLIMIT_NOFILE, 40, 40)" in done.stdout


def test_state_is_the_users_own(user):
    assert user("run", "--name", "mine", "--", "/bin/true").returncode == 0
    place = Path("/run/user/haconiwa/mine/record.json")
    assert (place.stat().st_uid, place.stat().st_mode & 0o777) == (UID, 0o600)
    assert not Path("/run/haconiwa").exists()
    assert user("gc").returncode == 0
    assert not place.exists()


def test_without_a_place_for_state(user):
    done = user("run", "--", "/bin/true", without=["XDG_RUNTIME_DIR"])
    assert done.returncode == 125
    assert "XDG_RUNTIME_DIR is not set" in done.stderr


def test_in_the_background_and_into_it(user, readable_root):
    options = ["--with=ns-user", "--with=ns-pid", "--with=ns-mount", "--with=ns-uts", "--set=mount.proc=true"]
    options += [f"--set=chroot.root={readable_root}", "--set=rlimit.nofile=77"]
    adopt_orphans(True)
    script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.02; done"
    assert output(user("run", "-d", "--name=box", *options, *shell(script))) == ["box"]
    assert "box" in user("ps").stdout
    found = "id -u; ulimit -n; ls -d /merged; uname -n; ls /proc | grep -c '^[0-9]'; cat /proc/self/uid_map; exit 6"
    for launcher in ("direct", "zygote", "helper"):
        done = user("exec", "--launcher", launcher, "box", "--", "/bin/sh", "-c", found)
        uid, files, folder, name, _processes, *mapped = done.stdout.split()
        assert (done.returncode, uid, files, folder, name) == (6, "0", "77", "/merged", "sh"), done.stderr
        assert mapped == ["0", str(UID), "1"]
    assert user("stop", "box").returncode == 0
    assert output(user("wait", "box")) == ["9"]
    assert user("rm", "box").returncode == 0
    reap_everything()
    adopt_orphans(False)

"""The caller is full of bait; nothing of it arrives in the container."""

import os
import resource
import subprocess
import sys

import pytest
from haconiwa_credentials import Credentials
from haconiwa_launcher.client import HelperLauncher
from system.caller import SECRET, bait, on_a_terminal
from system.world import shell

from haconiwa_core.launch.direct import DirectLauncher
from haconiwa_core.launch.zygote import ZygoteLauncher
from haconiwa_core.testing import forked, started

STATUS = ("CapAmb", "Groups", "SigBlk", "SigIgn", "SigPnd", "ShdPnd", "Umask")


@pytest.fixture(params=["direct", "zygote", "helper"])
def launcher(request):
    """What starts the container."""
    return request.param


@pytest.fixture
def inside(tmp_path, launcher):
    """Run a busybox applet in a container that a baited caller starts on a terminal."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    definition = tmp_path / "definition.py"

    def run(*command, features=""):
        definition.write_text(
            "from haconiwa_core.container import Container\n"
            f'container = Container("clean", {["/bin/busybox", *command]!r}, [{features}], stdin="null")\n'
        )
        environment = {
            **os.environ,
            "SECRET": SECRET,
            "LD_PRELOAD": "",
            "LD_LIBRARY_PATH": SECRET,
            "PYTHONWARNINGS": "default",
        }

        def caller():
            bait(secret)
            run = [sys.executable, "-m", "haconiwa_core", "run", "--launcher", launcher, "--rm", definition]
            os.execve(sys.executable, run, environment)

        return on_a_terminal(caller)

    return run


def test_descriptors(inside):
    # 3 is the listing's own.
    assert inside("ls", "/proc/self/fd").split() == ["0", "1", "2", "3"]


def test_environment(inside):
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert inside("cat", "/proc/self/environ") == f"PATH={path}\0"


def test_capabilities_signals_umask_and_groups(inside):
    lines = dict(
        line.split(":\t") for line in inside("grep", "-E", f"^({'|'.join(STATUS)})", "/proc/self/status").splitlines()
    )
    assert {name: value.strip() for name, value in lines.items()} == {
        "Umask": "0022",
        "Groups": "",
        **dict.fromkeys(("CapAmb", "SigBlk", "SigIgn", "SigPnd", "ShdPnd"), "0" * 16),
    }


def test_working_directory(inside):
    assert inside("readlink", "/proc/self/cwd") == "/\n"


def test_controlling_terminal(inside):
    fields = inside("cat", "/proc/self/stat").rpartition(")")[2].split()
    assert fields[4] == "0"
    assert fields[2] == fields[3]


def test_keyring(inside):
    # Another user sees only what it possesses through its session keyring.
    user = "__import__('haconiwa_credentials').Credentials(uid=1000)"
    keys = inside("cat", "/proc/keys", features=user)
    assert "_ses" in keys
    assert "bait" not in keys


def test_oom_score(inside):
    assert inside("cat", "/proc/self/oom_score_adj") == "0\n"


def test_the_bait_is_there(tmp_path):
    """Without haconiwa between, everything arrives: the tests above can fail."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    show = "ls /proc/self/fd; cat /proc/self/status /proc/keys /proc/self/oom_score_adj; pwd; readlink /proc/self/fd/20"

    def caller():
        bait(secret)
        os.execv("/bin/sh", ["sh", "-c", f"{show}; exec setpriv --reuid 1000 cat /proc/keys"])

    output = on_a_terminal(caller)
    for sign in (
        "CapAmb:\t0000000000000020",
        "Groups:\t4242",
        "Umask:\t0000",
        "keyring   bait: 1",
        "\n300\n",
        "/usr/share",
        str(secret),
    ):
        assert sign in output


def test_group(root):
    """A group that is asked for is set, though it be 0."""

    def run():
        os.setresgid(4242, 4242, 4242)
        result = shell("id -g", [Credentials(uid=0, gid=0)])
        assert result.output == "0"

    assert forked(run) == 0


def test_limits_are_the_callers_unless_set(root, launcher):
    """What is not asked for is not changed either: a limit stays the caller's."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limited = ["prlimit", "--nofile=123:456", sys.executable, "-m", "haconiwa_core", "run", "--rm"]
    limited += ["--launcher", launcher]
    done = subprocess.run(
        [*limited, "--", "/bin/sh", "-c", "ulimit -Sn; ulimit -Hn"], check=False, capture_output=True, text=True
    )
    assert done.stdout.split() == ["123", "456"]
    assert (soft, hard) == resource.getrlimit(resource.RLIMIT_NOFILE)


def test_the_callers_group_does_not_arrive():
    script = (
        "import os; os.setresgid(4242, 4242, 4242)\n"
        "from haconiwa_core.testing import run\n"
        "print(run(command=['grep', '^Gid', '/proc/self/status']).stdout)"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["Gid:", "0", "0", "0", "0"]


@pytest.mark.parametrize("of", [DirectLauncher, ZygoteLauncher, HelperLauncher])
def test_nothing_of_a_container_reaches_what_its_caller_executes(of):
    before = set(os.listdir("/proc/self/fd"))
    launcher = of()
    try:
        with started(launcher=launcher) as running:
            opened = [int(name) for name in set(os.listdir("/proc/self/fd")) - before if is_open(int(name))]
            assert running.pidfd in opened
            assert [number for number in opened if os.get_inheritable(number)] == []
    finally:
        launcher.close()


def is_open(descriptor):
    """Return whether it still is: the listing had one of its own."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True

"""`haconiwa exec`: a command in a running container."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from system.world import haconiwa, reap_everything

from haconiwa_core.linux.constants import WALL
from haconiwa_core.linux.host import adopt_orphans, descendants
from haconiwa_core.runtime.store import Store

EXEC = [sys.executable, "-m", "haconiwa_core", "exec"]
OPTIONS = ["--with=ns-pid", "--with=ns-mount", "--set=mount.proc=true", "--set=rlimit.nofile=99"]


@pytest.fixture(autouse=True)
def box(root):
    """A container named "box" that runs."""
    adopt_orphans(True)
    (root / "etc/plain").write_text("text")
    (root / "etc/plain").chmod(0o755)
    (root / "etc/data").write_text("data")
    features = [*OPTIONS, f"--set=chroot.root={root}", "--set=credentials.uid=1000", "--set=credentials.umask=7"]
    done = haconiwa("run", "-d", "--name=box", *features, "--", "sleep", "1000")
    assert done.returncode == 0, done.stderr
    yield
    haconiwa("rm", "-f", "box")
    reap_everything()
    adopt_orphans(False)


def entered(*arguments, **options):
    return haconiwa("exec", *arguments, **options)


def test_it_is_confined():
    script = "id -u; umask; ulimit -n; ls /; pwd; ls /proc | grep -c '^[0-9]'"
    done = entered("box", "--", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    uid, umask, files, *names, folder, _processes = done.stdout.split()
    assert (uid, umask, files, folder) == ("1000", "0007", "99", "/")
    assert "merged" in names


def test_what_may_be_chosen():
    shown = ["sh", "-c", "id -u; id -g; pwd; echo $A-$B; echo $PATH"]
    done = entered("-e", "A=1", "-e", "B=x=y", "-w", "/tmp", "-u", "7:8", "box", *shown)
    assert done.stdout.split() == [
        "7",
        "8",
        "/tmp",
        "1-x=y",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-e", "=A", "box", "true"], "cannot name a variable"),
        (["-e", "=1", "box", "true"], "cannot name a variable"),
        (["-w", "tmp", "box", "true"], "must be an absolute path"),
        (["-w", "/proc/self/fd/3", "box", "true"], "must not lie in /proc"),
        (["-u", "", "box", "true"], "must be USER or USER:GROUP"),
        (["-u", "7:", "box", "true"], "must be USER or USER:GROUP"),
        (["-u", "nobody-has-this", "box", "true"], "no user 'nobody-has-this'"),
        (["-u", "-1", "box", "true"], "-1"),
        (["-u", "4294967295", "box", "true"], "4294967295"),
        (["-u", "root\n", "box", "true"], "root"),
        (["box"], "nothing to run"),
        (["box", "--"], "nothing to run"),
    ],
)
def test_what_may_not(arguments, message):
    done = entered(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["sh", "-c", "exit 42"], 42),
        (["sh", "-c", "kill -9 $$"], 137),
        (["/etc/data"], 126),
        (["/no/such"], 127),
        (["no-such"], 127),
    ],
)
def test_exit_status(command, status):
    assert entered("box", "--", *command).returncode == status


def test_streams_pass_through():
    done = entered("box", "--", "sh", "-c", "cat; echo err >&2", input="in", stdin=None)
    assert (done.stdout, done.stderr) == ("in", "err\n")


def test_signals_are_forwarded():
    script = "trap 'exit 6' USR1; echo ready; while :; do sleep 0.02; done"
    with subprocess.Popen([*EXEC, "box", "--", "sh", "-c", script], stdout=subprocess.PIPE) as running:
        assert running.stdout.readline() == b"ready\n"
        running.send_signal(signal.SIGUSR1)
        assert running.wait(timeout=20) == 6


def namespace_of(pid):
    return os.readlink(f"/proc/{pid}/ns/pid")


@pytest.fixture
def sleeper():
    """A command that has been put into the container, and its caller."""
    command = [*EXEC, "box", "--", "sh", "-c", "echo ready; sleep 1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as caller:
        assert caller.stdout.readline() == b"ready\n"
        yield caller
        caller.kill()


def test_it_ends_with_its_container_and_does_not_hold_it_up(sleeper):
    assert haconiwa("stop", "-t", "0", "box").returncode == 0
    assert sleeper.wait(timeout=20) == 137
    row = json.loads(haconiwa("ps", "-a", "--format", "json").stdout)[0]
    assert (row["state"], row["exit_status"]) == ("exited", 137)


def test_without_its_caller_it_is_reaped_by_whoever_adopts_it(sleeper):
    # Of what the caller has started, the first that is in the container; its own children come after it.
    attached = next(pid for pid, _ in descendants(sleeper.pid) if namespace_of(pid) != namespace_of("self"))
    sleeper.kill()
    sleeper.wait()
    # The namespace's end waits for it, and this process is who has adopted it.
    with ThreadPoolExecutor() as pool:
        reaped = pool.submit(os.waitpid, attached, WALL)
        assert haconiwa("stop", "-t", "0", "box").returncode == 0
        assert os.waitstatus_to_exitcode(reaped.result()[1]) == -signal.SIGKILL


def test_not_into_what_has_ended():
    haconiwa("kill", "box")
    haconiwa("wait", "box")
    done = entered("box", "true")
    assert done.returncode == 125
    assert done.stderr == "haconiwa: error: the container box is not running: it is exited\n"


def test_not_without_a_plugin_that_confines_it():
    done = entered("box", "true", env={**os.environ, "HACONIWA_DISABLE_PLUGINS": "rlimit"})
    assert done.returncode == 2
    assert "rlimit" in done.stderr
    assert done.stdout == ""


def test_nothing_is_left_of_it(leaves_nothing):
    for _ in range(3):
        assert entered("box", "--", "true").returncode == 0
    assert Store().names() == ["box"]


@pytest.fixture
def limited(root):
    """A container named "limited" whose processes are user 0 with the default capabilities."""
    features = [*OPTIONS, f"--set=chroot.root={root}", "--set=chroot.read_only=false"]
    features.append('--set=capabilities.ambient=["kill"]')
    done = haconiwa("run", "-d", "--name=limited", *features, "--", "sleep", "1000")
    assert done.returncode == 0, done.stderr
    yield
    haconiwa("rm", "-f", "limited")


def sets(*arguments):
    """Return the sets that a process has that is put into a container."""
    done = entered(*arguments, "--", "grep", "^Cap", "/proc/self/status")
    assert done.returncode == 0, done.stderr
    lines = (line.split(":\t") for line in done.stdout.splitlines())
    return {name.removeprefix("Cap"): int(text, 16) for name, text in lines}


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize(
    ("arguments", "kept", "ambient"),
    [
        ([], 0xA80425FB, 1 << 5),
        (["--cap-drop", "mknod"], 0xA00425FB, 1 << 5),
        (["--cap-drop", "CAP_MKNOD", "--cap-drop=kill"], 0xA00425DB, 0),
        (["--cap-drop", "all"], 0, 0),
        (["--cap-add", "chown", "--cap-drop", "ALL"], 1, 0),
        (["--cap-add", "chown"], 0xA80425FB, 1 << 5),
    ],
)
def test_capabilities_of_one_process(arguments, kept, ambient):
    found = sets(*arguments, "limited")
    assert found == {"Inh": ambient, "Prm": kept, "Eff": kept, "Bnd": kept, "Amb": ambient}


@pytest.mark.usefixtures("limited")
def test_what_is_dropped_is_denied_to_one_process():
    change = ["--", "chown", "1", "/etc/plain"]
    assert entered("--cap-drop=chown", "limited", *change).returncode != 0
    assert entered("limited", *change).returncode == 0


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cap-add", "sys_admin"], "not in the bounding set of the running container: CAP_SYS_ADMIN"),
        (["--cap-drop=all", "--cap-add=sys_admin"], "not in the bounding set of the running container: CAP_SYS_ADMIN"),
        (["--cap-add", "sys_admi"], "unknown capability 'sys_admi'; did you mean \"CAP_SYS_ADMIN\"?"),
        (["--cap-drop", ""], "unknown capability ''"),
        (["--cap-drop", "all", "--cap-drop", "kil\n"], "unknown capability 'kil\\n'"),
    ],
)
def test_capabilities_that_may_not_be_had(arguments, message):
    done = entered(*arguments, "limited", "true")
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_capabilities_in_a_container_without_the_section():
    """They are the caller's, less what is dropped."""
    own = sets("-u", "0", "box")
    assert own["Bnd"] == own["Eff"]
    assert sets("-u", "0", "--cap-drop=mknod", "box")["Bnd"] == own["Bnd"] & ~(1 << 27)
    # The first process's user has none, but programs that it executes could have.
    assert sets("--cap-drop=mknod", "box")["Eff"] == 0
    disabled = {**os.environ, "HACONIWA_DISABLE_PLUGINS": "capabilities"}
    done = entered("--cap-drop=mknod", "box", "true", env=disabled)
    assert done.returncode == 2
    assert "capabilities" in done.stderr

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
from haconiwa_core.runtime.record import Store

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
        (["-e", "A", "box", "true"], "must be NAME=VALUE"),
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

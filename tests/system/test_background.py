"""Containers that outlive the command that has started them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from system.world import haconiwa, reap_everything, time_limit

from haconiwa_core.linux.host import adopt_orphans, descendants, start_time
from haconiwa_core.runtime.record import Process, Record, boot_id
from haconiwa_core.runtime.store import Store

FEATURES = [pytest.param([], id="no namespace"), pytest.param(["--with", "ns-pid"], id="pid namespace")]

POLITE = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.02; done"
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.02; done"


@pytest.fixture(autouse=True)
def _everything_ends(private_world):
    """Containers and supervisors are adopted by this process, and gone at the end of a test."""
    adopt_orphans(True)
    try:
        yield
        names = Store().names()
        if names:
            ok("rm", "-f", *names)
        reap_everything()
        assert Store().names() == []
    finally:
        adopt_orphans(False)


def ok(*arguments, **options):
    done = haconiwa(*arguments, **options)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def detached(*arguments, script="sleep 1000", name="box"):
    assert ok("run", "-d", "--name", name, *arguments, "--", "sh", "-c", script) == f"{name}\n"
    return record(name)


def record(name="box"):
    return json.loads(ok("inspect", "--format", "json", name))


def until(condition):
    with time_limit(20):
        while not (found := condition()):
            time.sleep(0.005)
        return found


def listed(*options):
    return {row["name"]: row for row in json.loads(ok("ps", "--format", "json", *options))}


def lives(process):
    return start_time(process["pid"]) == process["started"] and "\tZ" not in status_of(process["pid"])


def status_of(pid):
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "State:\tZ"


def logged(text):
    return until(lambda: text in ok("logs", "box"))


def test_it_keeps_nothing_of_the_caller():
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    # Captured output that somebody holds open would make this wait for ever.
    ok("run", "-d", "--name", "box", "--", "sleep", "1000", close_fds=False, env={**os.environ, "SECRET": "x"})
    os.close(writer)
    with time_limit(5):
        assert os.read(reader, 1) == b""
    os.close(reader)
    for who in ("supervisor", "child"):
        pid = record()[who]["pid"]
        assert os.getsid(pid) == pid
        assert b"SECRET" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[4] == "0"
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
    supervisor = record()["supervisor"]["pid"]
    links = {os.readlink(f"/proc/{supervisor}/fd/{number}") for number in os.listdir(f"/proc/{supervisor}/fd")}
    assert links == {"/dev/null", "/run/haconiwa/box", "anon_inode:[pidfd]"}
    assert record()["child"]["pid"] in [pid for pid, _ in descendants(supervisor)]


def test_the_supervisor_is_small():
    pid = detached()["supervisor"]["pid"]
    until(lambda: "watch.py" in Path(f"/proc/{pid}/cmdline").read_text())
    until(lambda: "State:\tS" in status_of(pid))
    loaded = Path(f"/proc/{pid}/maps").read_text()
    assert "_json" not in loaded
    assert "_ctypes" not in loaded


@pytest.mark.parametrize("features", FEATURES)
def test_status_and_log_stay_until_it_is_forgotten(features):
    detached(*features, script="echo out; echo err >&2; exit 7")
    assert ok("wait", "box") == "7\n"
    assert listed() == {}
    row = listed("--all")["box"]
    assert (row["state"], row["exit_status"], row["pid"], row["command"][:2]) == ("exited", 7, None, ["sh", "-c"])
    assert ok("logs", "box") == "out\nerr\n"
    assert "exited" in ok("ps", "-a").splitlines()[1]
    assert ok("stop", "box") == ""
    ok("rm", "box")
    assert haconiwa("logs", "box").returncode == 125
    assert listed("-a") == {}


def test_with_rm_it_is_forgotten_and_its_status_known_to_who_waits():
    detached("--rm", script="until [ -e /run/go ]; do sleep 0.01; done; exit 5")
    with subprocess.Popen([sys.executable, "-m", "haconiwa_core", "wait", "box"], stdout=subprocess.PIPE) as waiting:
        until(lambda: any("pidfd" in link for link in links_of(waiting.pid)))
        Path("/run/go").touch()
        # Whoever waits may come too late for the record.
        told = {b"5\n"} if exit_is_told_later() else {b"5\n", b"unknown\n"}
        assert waiting.communicate(timeout=20)[0] in told
    until(lambda: Store().names() == [])


def exit_is_told_later():
    """Whether the kernel tells how a process has ended that was reaped by another (Linux 6.15)."""
    return tuple(int(part) for part in os.uname().release.split(".")[:2]) >= (6, 15)


def links_of(pid):
    folder = f"/proc/{pid}/fd"
    found = []
    for number in os.listdir(folder):
        try:
            found.append(os.readlink(f"{folder}/{number}"))
        except FileNotFoundError:
            continue
    return found


@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        (["/no/such"], 127, "execute '/no/such': ENOENT"),
        (["/etc/passwd"], 126, "EACCES"),
    ],
)
def test_a_start_that_fails_is_told_and_leaves_nothing(command, status, message, leaves_nothing):
    done = haconiwa("run", "-d", "--name", "box", "--", *command)
    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    reap_everything()
    assert Store().names() == []


def test_one_name_one_container():
    first = detached()
    done = haconiwa("run", "-d", "--name", "box", "--", "true")
    assert done.returncode == 125
    assert "in use" in done.stderr
    assert lives(first["child"])


def test_several_of_one_file(tmp_path):
    file = tmp_path / "two.py"
    file.write_text("from haconiwa_core import Container\na, b = (Container(n, ['sleep', '1000']) for n in 'ab')\n")
    names = ok("run", "-d", file).split()
    assert [name.partition("-")[0] for name in names] == ["a", "b"]
    assert sorted(listed()) == sorted(names)


def test_everything_of_a_foot_loose_container_ends_with_it():
    """Without a pid namespace, what has left the process group is adopted by the supervisor."""
    detached(script="setsid sh -c 'echo $$ > /run/left; exec sleep 1001' & until [ -s /run/left ]; do :; done; exit 2")
    assert ok("wait", "box") == "2\n"
    pid = int(Path("/run/left").read_text())
    until(lambda: "\tZ" in status_of(pid))


@pytest.mark.parametrize("features", FEATURES)
def test_stop_asks_first(features):
    detached(*features, script=POLITE)
    logged("ready")
    assert ok("stop", "box") == ""
    assert listed("-a")["box"]["exit_status"] == 3
    assert ok("logs", "box") == "ready\nbye\n"


@pytest.mark.parametrize("features", FEATURES)
def test_stop_kills_what_does_not_listen(features):
    started = detached(*features, script=f"{STUBBORN}")
    logged("ready")
    assert ok("stop", "-t", "0.2", "box") == ""
    assert listed("-a")["box"]["exit_status"] == 137
    assert not lives(started["child"])


def test_kill_sends_any_signal():
    detached(script="trap 'echo got; exit 9' USR1; echo ready; while :; do sleep 0.02; done")
    logged("ready")
    ok("kill", "-s", "USR1", "box")
    assert ok("wait", "box") == "9\n"
    done = haconiwa("kill", "box")
    assert (done.returncode, "not running: it is exited" in done.stderr) == (125, True)
    assert "is no signal" in haconiwa("kill", "-s", "NONE", "box").stderr


def test_kill_is_sigkill_for_all_of_it():
    started = detached(script="sleep 1002 & sleep 1003")
    until(lambda: len(descendants(started["child"]["pid"])) == 2)
    below = descendants(started["child"]["pid"])
    ok("kill", "box")
    assert ok("wait", "box") == "137\n"
    for pid, began in below:
        until(lambda pid=pid, began=began: not lives({"pid": pid, "started": began}))


def test_rm_spares_what_runs():
    started = detached()
    done = haconiwa("rm", "box")
    assert (done.returncode, "stop it first" in done.stderr) == (125, True)
    assert lives(started["child"])
    ok("rm", "--force", "box")
    assert not lives(started["child"])


def test_logs_follow_until_the_end():
    detached(script="echo one; until [ -e /run/go ]; do sleep 0.01; done; printf 'two\\0\\377'; exit 0")
    command = [sys.executable, "-m", "haconiwa_core", "logs", "-f", "box"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as following:
        assert following.stdout.readline() == b"one\n"
        Path("/run/go").touch()
        assert following.communicate(timeout=20)[0] == b"two\0\xff"
        assert following.returncode == 0


def test_no_log_where_output_goes_elsewhere(tmp_path):
    file = tmp_path / "box.toml"
    file.write_text('command = ["sleep", "1000"]\nstdout = "null"\nstderr = "null"\n')
    ok("run", "-d", "--name", "box", file)
    done = haconiwa("logs", "box")
    assert (done.returncode, "has no log" in done.stderr) == (125, True)


@pytest.mark.parametrize("verb", ["inspect", "kill", "logs", "rm", "stop", "wait", "exec"])
def test_a_name_that_nobody_has(verb):
    done = haconiwa(verb, "nobody", *(["true"] if verb == "exec" else []))
    assert done.returncode == 125
    assert done.stderr == "haconiwa: error: there is no container named nobody\n"


class TestWithoutItsSupervisor:
    """The supervisor is killed: its container lives on, and can be looked after."""

    @pytest.fixture(autouse=True)
    def started(self):
        started = detached("--with", "ns-uts", "--set", "ns-uts.keep=/run/uts", script=POLITE)
        logged("ready")
        os.kill(started["supervisor"]["pid"], signal.SIGKILL)
        until(lambda: not lives(started["supervisor"]))
        yield started
        subprocess.run(["umount", "/run/uts"], check=True)
        Path("/run/uts").unlink()

    def test_it_lives_on(self, started):
        assert lives(started["child"])
        assert listed()["box"]["state"] == "running"
        done = haconiwa("gc")
        assert (done.returncode, "still running; its supervisor is gone" in done.stderr) == (125, True)
        assert lives(started["child"])
        assert ok("exec", "box", "echo", "here") == "here\n"

    def test_stop(self, started):
        ok("stop", "box")
        assert not lives(started["child"])
        row = listed("-a")["box"]
        assert (row["state"], row["exit_status"]) == ("exited", None)

    def test_wait(self, started):
        os.kill(started["child"]["pid"], signal.SIGTERM)
        assert ok("wait", "box") in ("3\n", "unknown\n")

    def test_lost(self, started):
        os.kill(started["child"]["pid"], signal.SIGTERM)
        until(lambda: not lives(started["child"]))
        reap_everything()
        assert listed("-a")["box"]["state"] == "lost"
        assert haconiwa("kill", "box").returncode == 125
        assert ok("gc") == ""
        assert Store().names() == []


def test_a_pid_alone_is_not_believed():
    """A record whose process has gone, and whose pid has come to mean another one."""
    with subprocess.Popen(["sleep", "1000"]) as bystander:
        claim = Store().claim("box")
        wrong = Process(bystander.pid, start_time(bystander.pid) + 1)
        claim.write(Record("box", {}, boot_id(), 0.0, "running", "keep", Process(bystander.pid, 1), wrong))
        claim.release()
        assert listed("-a")["box"]["state"] == "lost"
        for verb in (["kill", "box"], ["stop", "box"], ["exec", "box", "true"], ["rm", "box"]):
            haconiwa(*verb)
            assert bystander.poll() is None
        bystander.kill()


def test_a_container_of_a_foreground_run_is_looked_after_too(root):
    command = [sys.executable, "-m", "haconiwa_core", "run", "--name", "box", "--", "sh", "-c", POLITE]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        assert running.stdout.readline() == b"ready\n"
        assert listed()["box"]["state"] == "running"
        ok("stop", "box")
        assert running.wait(timeout=20) == 3


def test_a_root_of_its_own(root):
    features = ["--with", "ns-mount", "--set", f"chroot.root={root}"]
    detached(*features, script="echo $0; exec sleep 1000")
    assert ok("exec", "box", "ls", "/merged") == ""
    assert "merged" in ok("exec", "box", "ls", "/")


@pytest.mark.parametrize(("script", "status", "reason"), [("exit 7", 7, "exited"), ("kill -9 $$", 137, "signaled")])
@pytest.mark.parametrize("forgotten", [False, True])
def test_who_waits_is_told_why(script, status, reason, forgotten):
    detached(*["--rm"] * forgotten, script=f"until [ -e /run/go ]; do sleep 0.01; done; {script}")
    command = [sys.executable, "-m", "haconiwa_core", "wait", "--format", "json", "box"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as waiting:
        until(lambda: any("pidfd" in link for link in links_of(waiting.pid)))
        Path("/run/go").touch()
        told = json.loads(waiting.communicate(timeout=30)[0])
    assert told == {"name": "box", "exit_status": status, "reason": reason, "certainty": "fact"}


def test_a_list_of_some():
    """Of those that have ended and those that run, by name, state, reason and definition."""
    detached(name="web-1")
    detached(name="web-2", script="exit 3")
    detached(name="batch", script="kill -9 $$")
    for name in ("web-2", "batch"):
        ok("wait", name)

    def names(*options):
        return ok("ps", "--quiet", *options).split()

    assert names() == ["web-1"]
    assert names("--all") == ["batch", "web-1", "web-2"]
    assert names("--filter", "name=web-*") == ["web-1"]
    assert names("-a", "--filter", "name=web-*") == ["web-1", "web-2"]
    assert names("-a", "--filter", "name=web-1", "--filter", "name=b*") == ["batch", "web-1"]
    assert names("--filter", "state=exited") == ["batch", "web-2"]
    assert names("--filter", "state=e*", "--filter", "reason=signaled") == ["batch"]
    assert names("--filter", "reason=oom") == []
    assert names("-a", "--filter", "definition=sh") == ["batch", "web-1", "web-2"]
    assert names("-a", "--filter", "definition=web-1") == []
    row = listed("--filter", "reason=exited")["web-2"]
    assert list(row) == [
        *("name", "definition", "state", "pid", "began", "exit_status", "reason", "certainty", "terminal", "command")
    ]
    assert (row["definition"], row["state"], row["exit_status"]) == ("sh", "exited", 3)
    assert (row["reason"], row["certainty"]) == ("exited", "fact")
    assert ok("ps", "-a", "--filter", "name=batch").splitlines()[1].split()[:2] == ["batch", "exited"]
    assert listed()["web-1"]["reason"] is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("state=runing", "no container is 'runing'; states are starting, created, running, paused, exited, lost"),
        (
            "stat=running",
            """'stat=running' is none of state=..., reason=..., name=..., definition=...; did you mean "state"?""",
        ),
        ("web", "'web' is none of state="),
    ],
)
def test_a_filter_that_is_none_is_refused(text, told):
    done = haconiwa("ps", "--filter", text)
    assert done.returncode == 2
    assert told in done.stderr

"""`haconiwa run` as its callers see it: statuses, streams, signals, names, several containers."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from system.world import haconiwa, time_limit

from haconiwa_core.runtime.store import Store

ENDS = (("first", 0), ("second", 7), ("third", 9))

HACONIWA = [sys.executable, "-m", "haconiwa_core"]


def shell(script, *options, **keywords):
    return haconiwa("run", "--rm", *options, "--", "/bin/sh", "-c", script, **keywords)


@pytest.mark.parametrize("options", [[], ["--with", "ns-pid"]], ids=["", "ns-pid"])
@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 42", 42), ("exit 255", 255), ("kill -KILL $$; sleep 9", 128 + 9)]
)
def test_status_is_the_commands_own(script, status, options, leaves_nothing):
    if options and "kill" in script:
        # The first process of a pid namespace is not killed from within.
        script, status = "exec sleep 0", 0
    assert shell(script, *options).returncode == status


@pytest.mark.parametrize(
    ("name", "content", "mode", "status"),
    [
        ("missing", None, 0, 127),
        ("plain", "#!/bin/sh\n", 0o644, 126),
        ("nothing", "no magic number", 0o755, 126),
        ("uninterpreted", "#!/does/not/exist\n", 0o755, 127),
        ("empty", "", 0o755, 126),
    ],
)
def test_status_of_what_cannot_be_executed(name, content, mode, status, tmp_path, leaves_nothing):
    file = tmp_path / name
    if content is not None:
        file.write_text(content)
        file.chmod(mode)
    done = haconiwa("run", "--", file)
    assert done.returncode == status
    assert f"core: EXEC: execute '{file}'" in done.stderr
    assert "Traceback" not in done.stderr


def test_status_of_a_directory_and_of_what_is_not_in_the_path(leaves_nothing):
    assert haconiwa("run", "--", "/usr").returncode == 126
    assert haconiwa("run", "--", "no-such-program").returncode == 127


def test_status_of_a_failed_setup(leaves_nothing):
    done = haconiwa("run", "--set", "chroot.root=/does/not/exist", "--", "true")
    assert done.returncode == 125
    assert errno.errorcode[errno.ENOENT] in done.stderr


MOUNTS = ["--with", "ns-mount", "--set"]
REMEDIES = [
    (["--set", "chroot.root=/absent"], "chroot: PREPARE: ", "ENOENT", "the host has no such directory or file"),
    ([*MOUNTS, "mount.bind=[{source='/absent', target='/mnt'}]"], "mount: PREPARE: ", "ENOENT", "the host has no such"),
    ([*MOUNTS, "mount.bind=[{source='/etc', target='/etc/passwd'}]"], "mount: MOUNTS: ", "EINVAL", "a file on a file"),
    ([*MOUNTS, "mount.overlay=[{target='/mnt', lower=['/absent']}]"], "mount: MOUNTS: ", "ENOENT", "the host has no"),
    (["--set", "ns-uts.keep=/absent/x"], "ns-uts: KEEP: ", "ENOENT", "the host has no such directory or file"),
    (["--set", "ns-uts.keep=/proc/version"], "ns-uts: KEEP: ", "EEXIST", "keep it on a free path"),
    (["--set", "ns-uts.join=/etc/passwd"], "ns-uts: SETTLE: ", "EINVAL", "it is no namespace of this kind"),
    (["--set", f"ns-uts.join={2**22 - 1}"], "ns-uts: PREPARE: ", "ENOENT", "there is no such process or path"),
    (["--set", f"ns-time.boottime={-(2**40)}"], "ns-time: ENTER: ", "ERANGE", "a clock must not become negative"),
]


@pytest.mark.parametrize(("options", "place", "name", "remedy"), REMEDIES, ids=lambda value: str(value)[-40:])
def test_what_fails_says_where_why_and_what_to_do(options, place, name, remedy, leaves_nothing):
    done = haconiwa("run", "--rm", *options, "--", "true")
    (line,) = done.stderr.splitlines()
    assert done.returncode == 125
    assert line.startswith(f"haconiwa: error: {place}")
    number = getattr(errno, name)
    assert remedy in line.partition(f"{name} ({os.strerror(number)}); ")[2]


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "CONT", "WINCH"])
def test_signals_are_forwarded(name):
    script = f"trap 'exit 55' {name}; echo ready; while :; do sleep 0.01; done"
    command = [*HACONIWA, "run", "--rm", "--with", "ns-pid", "--", "/bin/sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.Signals[f"SIG{name}"])
        assert process.wait(timeout=20) == 55


@pytest.mark.parametrize("name", ["INT", "TERM"])
def test_the_third_request_to_end_cannot_be_ignored(name):
    script = f"trap 'echo again' {name}; echo ready; while :; do sleep 0.01; done"
    command = [*HACONIWA, "run", "--rm", "--with", "ns-pid", "--", "/bin/sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        for line in (b"ready\n", b"again\n", b"again\n"):
            assert process.stdout.readline() == line
            process.send_signal(signal.Signals[f"SIG{name}"])
        assert process.wait(timeout=20) == 128 + signal.SIGKILL


def test_signals_reach_each_of_several(tmp_path):
    script = "trap 'echo ended; exit {}' TERM; echo ready; while :; do sleep 0.01; done"
    lines = [f'{name} = Container("{name}", ["/bin/sh", "-c", "{script.format(status)}"])' for name, status in ENDS]
    command = [*HACONIWA, "run", "--rm", definition(tmp_path, *lines)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        ready = sorted(process.stdout.readline() for _ in ENDS)
        assert ready == [f"{name} | ready\n" for name, _ in ENDS]
        process.send_signal(signal.SIGTERM)
        assert sorted(process.stdout) == [f"{name} | ended\n" for name, _ in ENDS]
        assert process.wait(timeout=20) == 7


def test_standard_input_passes():
    assert shell("cat; echo end", input="given\n", stdin=None).stdout == "given\nend\n"


@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1, 2]], ids=str)
def test_closed_standard_streams(closed, tmp_path):
    """What a container gets in place of a closed stream is nothing, and never a file of ours."""
    out = tmp_path / "out"

    def close():
        for number in closed:
            os.close(number)

    script = f"ls -l /proc/self/fd > {out}"
    done = subprocess.run(
        [*HACONIWA, "run", "--rm", "--", "/bin/sh", "-c", script],
        preexec_fn=close,
        check=False,
        capture_output=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    for line in out.read_text().splitlines():
        assert "haconiwa" not in line
        assert "socket" not in line


def definition(tmp_path, *lines):
    file = tmp_path / "definition.py"
    file.write_text("\n".join(["from haconiwa_core.container import Container", *lines]))
    return file


def test_output_of_several_is_prefixed(tmp_path):
    lines = [
        f'{name} = Container("{name}", ["/bin/sh", "-c", "echo one; echo two >&2; printf three; exit {status}"])'
        for name, status in (("first", 0), ("second", 3), ("third", 4))
    ]
    done = haconiwa("run", "--rm", definition(tmp_path, *lines))
    assert done.returncode == 3
    assert sorted(done.stdout.splitlines()) == [
        f"{n} | {w}" for n in ("first", "second", "third") for w in ("one", "three")
    ]
    assert sorted(done.stderr.splitlines()) == [f"{n} | two" for n in ("first", "second", "third")]


@pytest.mark.parametrize(
    ("stream", "place"),
    [
        ("null", None),
        ("log", "/run/haconiwa/kept/log"),
        ("file:/tmp/haconiwa-stream", "/tmp/haconiwa-stream"),
        ("host:{folder}/stream", "{folder}/stream"),
        ("host:stream", "{folder}/stream"),
    ],
)
def test_streams(stream, place, tmp_path):
    file = definition(
        tmp_path,
        f'one = Container("one", ["/bin/echo", "said"], stdin="null", stdout="{stream.format(folder=tmp_path)}")',
    )
    assert haconiwa("run", "--name", "kept", file).stdout == ""
    if place:
        target = Path(place.format(folder=tmp_path))
        assert target.read_text() == "said\n"
        assert target.stat().st_mode & 0o777 == 0o600
        target.unlink()


@pytest.mark.parametrize(
    ("stream", "read"),
    [("null", ""), ("file:{folder}/given", "given"), ("host:{folder}/given", "given"), ("host:given", "given")],
)
@pytest.mark.parametrize("launcher", ["direct", "zygote", "helper"])
def test_input(launcher, stream, read, tmp_path):
    (tmp_path / "given").write_text("given")
    file = definition(tmp_path, f'one = Container("one", ["/bin/cat"], stdin="{stream.format(folder=tmp_path)}")')
    done = haconiwa("run", "--rm", "--launcher", launcher, file, stdin=None, input="the caller's")
    assert (done.stdout, done.stderr) == (read, "")


def test_a_record_stays_until_it_is_collected():
    assert haconiwa("run", "--name", "kept", "--", "/bin/sh", "-c", "exit 7").returncode == 7
    record = Store().read("kept")
    assert (record.status, record.exit_status, record.child) == ("exited", 7, None)
    again = haconiwa("run", "--name", "kept", "--", "true")
    assert again.returncode == 125
    assert "haconiwa gc" in again.stderr
    assert haconiwa("gc").returncode == 0
    assert Store().names() == []
    assert haconiwa("run", "--name", "kept", "--rm", "--", "true").returncode == 0
    assert Store().names() == []


def test_gc_leaves_running_containers_alone():
    command = [*HACONIWA, "run", "--rm", "--name", "busy", "--", "/bin/sh", "-c", "echo ready; read line; exit 3"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert haconiwa("gc").returncode == 0
        assert Store().read("busy").status == "running"
        process.stdin.close()
        assert process.wait(timeout=20) == 3


def test_one_of_eight_wins_a_name(leaves_nothing):
    commands = [[*HACONIWA, "run", "--rm", "--name", "wanted", "--", "/bin/cat"] for _ in range(8)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for command in commands
    ]
    with time_limit(60):
        while sum(process.poll() is None for process in processes) > 1:
            time.sleep(0.01)
    winner = next(process for process in processes if process.poll() is None)
    winner.communicate()
    losers = [process for process in processes if process is not winner]
    assert winner.returncode == 0
    for loser in losers:
        assert b"wanted" in loser.communicate()[1]
        assert loser.returncode == 125


def test_twenty_at_once(leaves_nothing):
    options = ["--with", "ns-pid", "--with", "ns-mount", "--with", "ns-net", "--with", "ns-time"]
    commands = [[*HACONIWA, "run", "--rm", *options, "--", "/bin/echo", str(number)] for number in range(20)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for command in commands]
    results = [(process.communicate()[0], process.returncode) for process in processes]
    assert results == [(f"{number}\n".encode(), 0) for number in range(20)]


def test_commands_that_end_at_once(leaves_nothing):
    """The child may be gone before the parent looks."""
    for _ in range(20):
        assert haconiwa("run", "--rm", "--with", "ns-pid", "--", "/bin/true").returncode == 0


def test_the_status_is_true_where_the_caller_ignores_the_end_of_children(leaves_nothing):
    words = [*HACONIWA, "run", "--rm", "--", "/bin/sh", "-c", "exit 7"]
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    assert subprocess.run([sys.executable, "-c", ignoring, *words], check=False, timeout=60).returncode == 7

"""Names that are taken, and names that nobody has."""

import json
import os
import re
import signal
import subprocess
import time

import pytest
from errors.support import COMMAND, put, told

from haconiwa_core.runtime.record import Process
from haconiwa_core.runtime.store import FILE_NAME, Store
from haconiwa_core.testing import needs_program

BEGAN = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


def taken(expected):
    text = told("run", "--name", "web", "--", "true")
    assert re.fullmatch(f"the name web is in use: {expected}", text), text


def running(*arguments):
    return subprocess.Popen([*COMMAND, "run", "--name", "web", *arguments, "--", "sleep", "600"])


def wait_for_child():
    for _ in range(500):
        if record := next((item for item in Store().records() if item.child), None):
            return record
        time.sleep(0.02)
    raise AssertionError("it has not started")


def test_by_a_container_that_runs():
    with running() as keeper:
        record = wait_for_child()
        try:
            taken(
                f"a container has it that is running since {BEGAN}, as process {record.child.pid}; the process"
                f" {keeper.pid} keeps it; take another name, or end that one: `haconiwa rm --force web`"
            )
        finally:
            keeper.send_signal(signal.SIGKILL)
            os.kill(record.child.pid, signal.SIGKILL)


def test_by_a_container_that_has_ended():
    subprocess.run([*COMMAND, "run", "--name", "web", "--", "sh", "-c", "exit 3"], check=False)
    taken(f"a container has it that began at {BEGAN} and has ended with status 3; `haconiwa gc` forgets it")
    assert subprocess.run([*COMMAND, "gc"], check=False).returncode == 0
    assert subprocess.run([*COMMAND, "run", "--rm", "--name", "web", "--", "true"], check=False).returncode == 0


def test_by_a_container_whose_keeper_was_killed():
    with running() as keeper:
        record = wait_for_child()
        keeper.send_signal(signal.SIGKILL)
        keeper.wait()
    os.kill(record.child.pid, signal.SIGKILL)
    while Process.of(record.child.pid) == record.child:
        time.sleep(0.01)
    taken(f"a container has it that was running at {BEGAN}; the process that kept it has gone; `haconiwa gc` cleans up")


def test_by_a_start_that_goes_on():
    claim = Store().claim("web")
    taken("a container of this name is about to be started; wait for it, or take another name")
    claim.release()
    taken("a start of this name was killed before it wrote a record; `haconiwa gc` cleans up")


def test_by_a_record_that_nobody_understands():
    claim = Store().claim("web")
    claim.put(FILE_NAME, b"{")
    claim.release()
    taken(r".*/web/record\.json is damaged: .*; end what it started, and remove .*/web")


def test_by_a_record_that_makes_no_sense():
    """That the name is taken is told all the same."""
    subprocess.run([*COMMAND, "run", "--name", "web", "--", "true"], check=True)
    place = Store().directory / "web" / FILE_NAME
    data = json.loads(place.read_text())
    place.write_text(json.dumps({**data, "began": 1e300}))
    taken("nobody can tell by whom; `haconiwa gc` cleans up after what has ended")


@needs_program("busybox")
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["uid=nobdy"], "uid: the host has no user 'nobdy' in /etc/passwd; did you mean \"nobody\"?"),
        (["uid=qqqq"], "uid: the host has no user 'qqqq' in /etc/passwd; give its number"),
        (["uid=web", "lookup=root"], "uid: the root has no user 'web' in /etc/passwd; give its number"),
        (
            ["uid=nobody", "lookup=root"],
            "uid: the root has no user 'nobody' in /etc/passwd; the host has it, as 65534: give that number, or"
            ' lookup = "host"',
        ),
        (
            ["gid=tty", "lookup=root"],
            "gid: the root has no group 'tty' in /etc/group; the host has it, as 5: give"
            ' that number, or lookup = "host"',
        ),
    ],
)
def test_users_and_groups_that_nobody_knows(root, settings, expected):
    put(root / "etc/passwd", "root:x:0:0::/:/bin/sh\n")
    put(root / "etc/group", "root:x:0:\n")
    given = [f"--set=credentials.{setting}" for setting in settings]
    text = told("run", f"--set=chroot.root={root}", *given, "--", "true", status=2)
    assert text == f"command line: credentials.{expected}"

"""Processes and their ends, on the real kernel."""

import os
import subprocess
import sys

import pytest

from haconiwa_core.linux.host import zombie_status
from haconiwa_core.runtime.processes import Child

PARENT = """
import os, subprocess, sys
child = subprocess.Popen(["sh", "-c", "read line; " + sys.argv[1]], stdin=subprocess.PIPE)
print(child.pid, flush=True)
sys.stdin.readline()
child.stdin.write(b"go\\n")
child.stdin.flush()
sys.stdin.readline()
child.wait()
print("reaped", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(("script", "status"), [("exit 3", 3), ("kill -9 $$", 128 + 9), ("exit 0", 0)])
def test_the_end_of_another_one_s_child_is_known_before_that_reaps_it(script, status):
    """A process that is nobody's concern here: its parent lives, and does not wait for it."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdin
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert zombie_status(pid) is None
        child = Child(pid, os.pidfd_open(pid))
        parent.stdin.write("end\n")
        parent.stdin.flush()
        assert child.reap(with_group=True)[:2] == (status, "exited" if status < 128 else "signaled")
        parent.stdin.write("reap\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == "reaped\n"
        assert zombie_status(pid) is None

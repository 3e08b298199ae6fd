"""Containers that the launcher has really started."""

import os
import signal
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from haconiwa_launcher.client import HelperLauncher

from haconiwa_core.errors import PluginError, SetupError
from haconiwa_core.facts import Namespace
from haconiwa_core.host import gather
from haconiwa_core.launch.choice import choose_launcher
from haconiwa_core.linux.constants import CLONE_NEWPID, CLONE_NEWUTS
from haconiwa_core.runtime.record import Store
from haconiwa_core.runtime.start import start
from haconiwa_core.testing import needs_root, plan_of

pytestmark = needs_root

OWN = (Namespace("pid", CLONE_NEWPID), Namespace("uts", CLONE_NEWUTS))


@pytest.fixture
def launcher():
    with closing(HelperLauncher()) as launcher:
        yield launcher


def started(launcher, folder, *command, **fields):
    plan = plan_of(command=command, host=gather(), facts=OWN, **fields)
    null = os.open(os.devnull, os.O_RDWR)
    try:
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), null)
        return start(plan, Store(folder).claim_unique("c"), streams, launcher=launcher)
    finally:
        os.close(null)


def resident(pid):
    """Return the memory of a process in KiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


@pytest.mark.parametrize(("name", "used"), [(None, "helper"), ("helper", "helper"), ("direct", "direct")])
def test_which_launcher_is_used(name, used):
    with closing(choose_launcher(name)) as found:
        assert found.name == used


def test_a_launcher_that_nobody_provides():
    with pytest.raises(PluginError, match="one launcher other is wanted; installed are: helper"):
        choose_launcher("other")


@pytest.mark.parametrize(("command", "status"), [("exit 0", 0), ("exit 42", 42), ("kill -9 $$; exit 7", 7)])
def test_exit_status(launcher, tmp_path, command, status):
    assert started(launcher, tmp_path, "sh", "-c", command).wait() == status


def test_the_container_is_a_child_of_this_process_alone(launcher, tmp_path):
    running = started(launcher, tmp_path, "sleep", "1000")
    status = Path(f"/proc/{running.pid}/status").read_text()
    assert f"PPid:\t{os.getpid()}\n" in status
    assert f"NSpid:\t{running.pid}\t1\n" in status
    assert sorted(os.listdir(f"/proc/{running.pid}/fd")) == ["0", "1", "2"]
    running.send_signal(signal.SIGKILL)
    assert running.wait() == 128 + signal.SIGKILL


def test_a_failure_names_its_step(launcher, tmp_path):
    with pytest.raises(SetupError, match="execute '/no/such/program': ENOENT") as caught:
        started(launcher, tmp_path, "/no/such/program")
    assert (caught.value.plugin, caught.value.stage, caught.value.exit_status) == ("core", "EXEC", 127)
    with pytest.raises(SetupError) as caught:
        started(launcher, tmp_path, "true", workdir="/no/such/folder")
    assert (caught.value.stage, caught.value.attempted) == (
        "CREDENTIALS",
        "change_directory('/no/such/folder') [chdir]",
    )


def test_many_starts_leave_it_as_it_was(launcher, tmp_path, descriptors_at_rest):
    for _ in range(20):
        started(launcher, tmp_path, "true").wait()
    pid = launcher._pid
    before = descriptors_at_rest(pid), resident(pid)
    for _ in range(200):
        started(launcher, tmp_path, "true").wait()
    assert launcher._pid == pid
    assert (descriptors_at_rest(pid), resident(pid)) == before


def test_containers_outlive_it_and_it_is_made_anew(launcher, tmp_path):
    first = started(launcher, tmp_path, "sleep", "1000")
    former = launcher._pid
    os.kill(former, signal.SIGKILL)
    os.waitid(os.P_PID, former, os.WEXITED | os.WNOWAIT)
    second = started(launcher, tmp_path, "sleep", "1000")
    assert launcher._pid != former
    launcher.close()
    for running in (first, second):
        assert Path(f"/proc/{running.pid}").exists()
        running.send_signal(signal.SIGTERM)
        running.send_signal(signal.SIGKILL)
        assert running.wait() == 128 + signal.SIGKILL


def test_a_forked_process_has_a_launcher_of_its_own(launcher, tmp_path):
    assert started(launcher, tmp_path, "true").wait() == 0
    former = launcher._pid
    pid = os.fork()
    if pid == 0:
        try:
            status = started(launcher, tmp_path, "sh", "-c", "exit 5").wait()
            launcher.close()
            os._exit(status)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
    assert started(launcher, tmp_path, "true").wait() == 0
    assert launcher._pid == former


def test_nothing_of_it_can_be_reached_from_inside(launcher, tmp_path):
    running = started(launcher, tmp_path, "sleep", "1000")
    link = os.readlink(f"/proc/{launcher._pid}/exe")
    assert link == "/memfd:haconiwa-launcher (deleted)"
    with pytest.raises(OSError, match=r"Text file busy|not permitted|Permission"):
        os.open(f"/proc/{launcher._pid}/exe", os.O_WRONLY)
    look = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-all", "head", "-c1", f"/proc/{launcher._pid}/exe"]
    found = subprocess.run(look, capture_output=True, text=True, check=False)
    assert "Permission denied" in found.stderr
    running.send_signal(signal.SIGKILL)
    running.wait()

"""A start that is held before its command, and goes on when it is told to."""

import os
import signal
from contextlib import closing
from pathlib import Path

import pytest
from system.world import PLUGINS, everything, reap_everything

from haconiwa_core.container import Container
from haconiwa_core.errors import SetupError
from haconiwa_core.host import gather
from haconiwa_core.launch.choice import choose_launcher
from haconiwa_core.linux.host import adopt_orphans, start_time
from haconiwa_core.planning.planner import plan
from haconiwa_core.runtime.cleanup import collect
from haconiwa_core.runtime.start import create
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing import fork

pytestmark = pytest.mark.usefixtures("leaves_nothing")


def created(root, *command, launcher="direct"):
    """Set a container up with a launcher that has gone when it is returned."""
    container = Container("held", command, everything(root), stdin="null")
    planned = plan(container, gather(), PLUGINS, hold=True)
    with closing(choose_launcher(launcher)) as used:
        return create(planned, Store().claim("held"), {"stdout": 1, "stderr": 2}, launcher=used)


@pytest.mark.parametrize("launcher", ["direct", "zygote", "helper"])
def test_it_waits_until_it_is_told(root, launcher):
    held = created(root, "/bin/sh", "-c", "exit 7", launcher=launcher)
    record = Store().read("held")
    assert (record.status, record.child.pid) == ("created", held.pid)
    assert os.readlink(f"/proc/{held.pid}/exe") != f"{root}/bin/busybox"
    # All of it is set up: it only waits.
    assert os.stat(f"/proc/{held.pid}/root/merged/.").st_dev != os.stat(root).st_dev
    assert "Uid:\t1000" in Path(f"/proc/{held.pid}/status").read_text()
    running = held.start()
    assert running.pid == held.pid
    assert Store().read("held").status == "running"
    assert running.wait() == 7
    running.remove()


def test_it_may_be_given_up(root):
    held = created(root, "/bin/true")
    pid, began = held.pid, start_time(held.pid)
    assert held.abandon() == ()
    assert start_time(pid) != began
    assert Store().names() == []


def test_a_command_that_cannot_be_executed_is_found_out_about_then(root):
    held = created(root, "/no/such")
    with pytest.raises(SetupError, match="execute '/no/such': ENOENT"):
        held.start()
    assert Store().names() == []


def test_one_that_is_killed_while_it_waits(root):
    held = created(root, "/bin/true")
    os.kill(held.pid, signal.SIGKILL)
    with pytest.raises(SetupError, match="ended with status 137"):
        held.start()
    assert Store().names() == []


def test_it_ends_with_who_has_made_it(root):
    """Nobody is left who could tell it to go on."""
    adopt_orphans(True)
    reader, writer = os.pipe()

    def make_and_die():
        held = created(root, "/bin/true")
        os.write(writer, b"%d" % held.pid)
        os.kill(os.getpid(), signal.SIGKILL)

    os.waitpid(fork(make_and_die), 0)
    pid = int(os.read(reader, 100))
    os.close(reader)
    os.close(writer)
    reap_everything()
    adopt_orphans(False)
    assert start_time(pid) == 0
    assert [found.problem for found in collect(Store())] == [""]
    assert Store().names() == []

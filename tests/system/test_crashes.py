"""The runtime is killed at each point of a start: `gc` leaves nothing, and the name can be used again."""

import os
import signal
import sys
from importlib import import_module
from itertools import count

import pytest
from system.interference import KillAt
from system.world import Snapshot, everything, planned, reap_everything, started, time_limit

import haconiwa_core.runtime.launching
from haconiwa_core.cli.main import main
from haconiwa_core.container import Container
from haconiwa_core.launch import direct
from haconiwa_core.linux.host import adopt_orphans
from haconiwa_core.runtime.cleanup import collect
from haconiwa_core.runtime.store import Claim, Store
from haconiwa_core.testing import fork, forked
from haconiwa_core.testing.interference import Recorder


@pytest.fixture(autouse=True)
def _adopted():
    """What a killed runtime leaves comes to this process, so that it can be seen."""
    adopt_orphans(True)
    yield
    adopt_orphans(False)


@pytest.fixture(params=[False, True], ids=["root", "shifted"])
def plan(root, request):
    return planned(Container("killed", ["/bin/sleep", "1000"], everything(root, shifted=request.param, keep=True)))


def is_of_a_plugin(module):
    return module.startswith("haconiwa_") and module.partition(".")[0] != "haconiwa_core"


class Uninstalled:
    """A finder in whose sight there is no plugin."""

    def find_spec(self, name, path=None, target=None):
        if is_of_a_plugin(name):
            raise ModuleNotFoundError(name)


def collect_with_plugins():
    assert [found.problem for found in collect(Store()) if found.problem] == []


def collect_without_plugins():
    """Run `haconiwa gc` in a process that has no plugin and finds none."""
    for name in filter(is_of_a_plugin, list(sys.modules)):
        del sys.modules[name]
    sys.meta_path.insert(0, Uninstalled())
    with pytest.raises(ModuleNotFoundError):
        import_module("haconiwa_ns_uts")
    assert main(["gc"]) == 0


@pytest.fixture(params=[collect_with_plugins, collect_without_plugins], ids=["installed", "uninstalled"])
def collector(request):
    return request.param


def assert_collected(collector, before, point):
    with time_limit(20):
        # A process of the start that is about to end may hold the lock for a moment.
        while Store().names():
            assert forked(collector) == 0, point
    reap_everything()
    assert Snapshot.taken() == before, point


def calls_of(plan):
    recorder = Recorder()
    running = started(plan, name="again", kernel=recorder)
    running.send_signal(signal.SIGKILL)
    running.wait()
    running.remove()
    return len(recorder.calls()) + 1  # A successful execve does not come back to be noted.


def test_killed_after_each_call(plan, collector, forget_handles):
    # Resetting the signals is 62 calls of one step: the first ones and the last two stand for it here.
    calls = calls_of(plan)
    forget_handles()
    before = Snapshot.taken()
    numbers = range(1, calls + 1)
    if os.environ.get("SWEEP") != "all":
        numbers = [*range(1, calls - 62), calls - 1, calls]
    for number in numbers:
        killer = KillAt(number)
        runtime = fork(lambda killer=killer: started(plan, name="again", kernel=killer))
        assert killer.kill(runtime) == -signal.SIGKILL
        assert_collected(collector, before, number)


HOST_POINTS = [
    (haconiwa_core.runtime.launching, "run_host_step"),
    (haconiwa_core.runtime.launching.Launching, "_receive"),
    (direct, "launch"),
    (Claim, "write"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("owner", "name"), HOST_POINTS, ids=[name for _, name in HOST_POINTS])
def test_killed_at_each_act_of_the_host(plan, collector, owner, name, when, monkeypatch, forget_handles):
    original = getattr(owner, name)
    before = Snapshot.taken()
    number = 0
    ended = False
    while not ended:
        number += 1
        acts = count(1)

        def killing(*arguments, number=number, acts=acts):
            act = next(acts)
            if act == number and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = original(*arguments)
            if act == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        monkeypatch.setattr(owner, name, killing)
        status = forked(lambda: started(plan, name="again"))
        monkeypatch.undo()
        ended = status == 0
        assert ended or status == -signal.SIGKILL
        if _is_running():
            # It had started, so its handles are meant to stay.
            forget_handles()
        assert_collected(collector, before, number)
    assert number > 1


def _is_running():
    return any(record.status == "running" for record in Store().records())

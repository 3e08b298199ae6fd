"""Each call and each host step of a start fails in turn: the error names it, and nothing is left."""

import errno
import time
from dataclasses import dataclass, field

import pytest
from system.world import HANDLES, Snapshot, everything, planned, started

import haconiwa_core.runtime.launching
from haconiwa_core.container import Container
from haconiwa_core.errors import SetupError
from haconiwa_core.launch.interpreter import Kernel, linux_kernel
from haconiwa_core.launch.local import run_host_step
from haconiwa_core.linux.calls import Call
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing.interference import FailAt, timeline


@pytest.fixture(params=[False, True], ids=["root", "shifted"])
def plan(root, request):
    return planned(Container("fails", ["/bin/sleep", "1000"], everything(root, shifted=request.param, keep=True)))


def host_steps(plan):
    return [item for item in plan.steps if item.step.stage.on_host]


def end(running):
    running.send_signal(9)
    running.wait()
    running.remove()


def test_each_call(plan, forget_handles):
    def start_and_end(kernel):
        end(started(plan, kernel=kernel))
        forget_handles()

    steps = timeline(plan, start_and_end)
    assert {item.plugin for item in plan.steps} == {item.plugin for item in [*steps, *host_steps(plan)]}
    before = Snapshot.taken()
    for number, owner in enumerate(steps, start=1):
        with pytest.raises(SetupError) as caught:
            started(plan, name="again", kernel=FailAt(number))
        error = caught.value
        assert (error.plugin, error.stage) == (owner.plugin, owner.step.stage.name), (number, owner, error)
        assert error.errno == errno.EIO
        assert error.cleanup == ()
        assert Snapshot.taken() == before, (number, owner)
    end(started(plan, name="again"))


def test_each_host_step(plan, monkeypatch, forget_handles):
    before = Snapshot.taken()
    for wanted in host_steps(plan):

        def fail(item, values, kernel, wanted=wanted):
            if item is wanted:
                raise OSError(errno.EIO, "made to fail")
            run_host_step(item, values, kernel)

        monkeypatch.setattr(haconiwa_core.runtime.launching, "run_host_step", fail)
        with pytest.raises(SetupError) as caught:
            started(plan, name="again")
        assert (caught.value.plugin, caught.value.stage) == (wanted.plugin, wanted.step.stage.name)
        assert Snapshot.taken() == before, wanted
    monkeypatch.undo()
    end(started(plan, name="again"))
    assert list(Store().names()) == []
    assert all(handle in str(Snapshot.taken().state) for handle in HANDLES)


@dataclass
class SlowToTell:
    """Whoever clones a process is slow to go on; the new process fails at once."""

    kernel: Kernel = field(default_factory=linux_kernel)
    clones: int = 0

    def __call__(self, number, *arguments):
        if self.clones == 2:
            return -errno.EIO
        result = self.kernel(number, *arguments)
        if number == Call.clone3:
            self.clones += 1
            if result > 0:
                time.sleep(0.2)
        return result


def test_a_process_that_fails_before_its_maker_has_told_of_it(plan, leaves_nothing):
    with pytest.raises(SetupError, match="CLONE"):
        started(plan, name="again", kernel=SlowToTell())

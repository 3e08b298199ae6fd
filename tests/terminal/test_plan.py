"""Plans of containers with terminals, on the fake kernel."""

import pytest
from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_mount import Mount
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_user import UserNamespace

from haconiwa_core.container import Container
from haconiwa_core.stages import Stage
from haconiwa_core.testing import Executed, FakeKernel, functions, host, plan_of, problems_of, run_program

OWN = (MountNamespace(), Mount(dev=True, devpts=True))
KINDS = {
    "nothing": (),
    "a root": (Chroot("/srv/web"),),
    "its own": OWN,
    "its own below a root": (*OWN, Chroot("/srv/web")),
    "a devpts in the host's /dev": (MountNamespace(), Mount(devpts=True)),
    "another user": (*OWN, Credentials(uid=1000)),
    "a user namespace": (*OWN, UserNamespace()),
}


@pytest.mark.parametrize("entry", ["start", "attach"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_all_that_the_command_has(kind, entry):
    kernel = FakeKernel()
    plan = plan_of(*KINDS[kind], terminal=True, entry=entry)
    if entry == "start":
        assert isinstance(run_program(plan, kernel), Executed)
        assert kernel.has_terminal
        assert {number: item.kind for number, item in kernel.descriptors.items()} == dict.fromkeys(range(3), "terminal")
    own = "devpts" in str(KINDS[kind]) and Mount in map(type, KINDS[kind])
    names = functions(plan)
    assert ("open_terminal_inside" in names, "open_terminal" in names) == (own, not own)
    assert ("bind_console" in names) == (own and entry == "start")
    assert [gate.terminal for gate in plan.gates].count(True) == own
    assert all(gate.stage is Stage.SESSION for gate in plan.gates if gate.terminal)


def test_an_ordinary_user_needs_no_rights():
    ordinary = host(capabilities=0, uid=1000, gid=1000)
    kernel = FakeKernel(uid=1000)
    assert isinstance(run_program(plan_of(terminal=True, host=ordinary), kernel), Executed)
    assert kernel.has_terminal


def test_the_console_is_made_in_no_dev_but_its_own():
    made = {
        kind: step.step.arguments[1]
        for kind in ("its own", "a devpts in the host's /dev")
        for step in plan_of(*KINDS[kind], terminal=True).steps
        if step.step.function.__name__ == "bind_console"
    }
    assert made == {"its own": True, "a devpts in the host's /dev": False}


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
def test_no_stream_leads_elsewhere(stream):
    (problem,) = problems_of(terminal=True, **{stream: "null"})
    assert problem.key == stream
    assert "must be left out" in problem.text


@pytest.mark.parametrize("value", [None, 1, "yes"])
def test_it_is_true_or_false(value):
    (problem,) = problems_of(terminal=value)
    assert (problem.key, problem.text) == ("terminal", f"must be true or false, not {value!r}")


def test_a_log_may_be_asked_for_and_in_the_background_it_stays():
    container = Container("c", ["true"], stdout="log", terminal=True)
    assert container.problems() == []
    assert container.detached() == container
    assert container.to_json()["terminal"] is True

"""What strace sees of a terminal is what the plan says, on every launcher."""

import subprocess

import pytest
from system.test_strace import agrees, operations_of, parsed, until_exec
from terminal.person import root_of

from haconiwa_core.container import Container
from haconiwa_core.host import gather
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import TIOCSCTTY
from haconiwa_core.planning.planner import plan
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.testing import haconiwa_command, needs_program, needs_root
from haconiwa_core.testing.interference import executed

pytestmark = [needs_root, needs_program("busybox"), needs_program("strace")]

DEFINITION = """
from haconiwa_chroot import Chroot
from haconiwa_core import Container
from haconiwa_mount import Mount
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_pid import PidNamespace

features = {features}
traced = Container("traced", ["/bin/true"], features, terminal=True)
"""
OWN = "[PidNamespace(), MountNamespace(), Chroot({root!r}), Mount(proc=True, dev=True, devpts=True)]"
KINDS = {"none": "[]", "own devpts": OWN, "no devpts": "[Chroot({root!r})]"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("launcher", ["direct", "zygote", "helper"])
def test_the_child_makes_the_calls_of_the_plan(world, box, tmp_path, launcher, kind):
    file, out = tmp_path / "definition.py", tmp_path / "strace"
    file.write_text(DEFINITION.format(features=KINDS[kind].format(root=str(root_of(box)))))
    names = ",".join(sorted(call.name for call in Call if call is not Call.exit_group))
    strace = ["strace", "-f", "-X", "raw", "-s", "4096", "-e", "signal=none", "-e", f"trace={names}", "-o", str(out)]
    command = [*strace, *haconiwa_command(), "run", "-dt", "--rm", "--launcher", launcher, str(file)]
    done = subprocess.run(command, env=world.environment, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    namespace: dict[str, Container] = {}
    exec(file.read_text(), namespace)
    planned = plan(namespace["traced"], gather(), Plugins())
    children = [calls for calls in parsed(out.read_text().splitlines()).values() if controls_a_terminal(calls)]
    assert len(children) == 1
    made = list(until_exec(children[0]))
    if launcher == "helper":
        # It lets go of the helper's own socket first of all.
        assert made.pop(0)[0] == "dup3"
    made.insert(0, ("clone3", [], 0))
    operations = [operation for owner, operation in operations_of(planned)]
    indices = list(executed(planned, [result for _, _, result in made]))
    assert [operations[index].call.name for index in indices] == [name for name, _, _ in made]
    for index, (name, arguments, _) in zip(indices, made, strict=True):
        for expected, actual in zip(operations[index].arguments, arguments, strict=False):
            assert agrees(expected, actual), (name, expected, actual)
    called = [name for name, _, _ in made]
    assert ("sendmsg" in called) == (kind == "own devpts")


def controls_a_terminal(calls):
    return any(name == "ioctl" and arguments[1] == hex(TIOCSCTTY) for name, arguments, _ in calls)

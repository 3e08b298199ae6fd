"""What strace sees is what the plan says: each process's calls, in order, with their arguments."""

import re
import subprocess
from pathlib import Path

import pytest
from system.world import everything, planned

from haconiwa_core.container import Container
from haconiwa_core.linux.calls import Call
from haconiwa_core.operation import Buffer, Data, Part, Slot
from haconiwa_core.stages import Stage
from haconiwa_core.testing import haconiwa_command, needs_program
from haconiwa_core.testing.interference import executed

pytestmark = needs_program("strace")

NOT_TRACED = {Call.exit_group, Call.sendmsg}
"""What launchers do by themselves: end where nothing is left to do, and tell whom they have cloned."""

OTHERS = ("mount", "unshare", "setns", "clone", "execveat", "setuid", "setgid", "setreuid")
"""Calls that no plan has now, and that nobody may make behind its back."""

CALL = re.compile(r"(?P<pid>\d+) +(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+|0x[0-9a-f]+|\?)(?: .*)?\Z")
DEFINITION = """
from system.world import everything
from haconiwa_core.container import Container
from pathlib import Path
container = Container("traced", ["/bin/true"], everything(Path({root!r}), shifted={shifted}), stdin="null")
"""


def traced(tmp_path, definition, *options, launcher="direct"):
    """Run a definition under strace; return {pid: [(call, arguments, result)]} in order of appearance."""
    file = tmp_path / "definition.py"
    file.write_text(definition)
    out = tmp_path / "strace"
    names = sorted({call.name for call in Call} - {call.name for call in NOT_TRACED} | set(OTHERS))
    command = ["strace", "-f", "-X", "raw", "-s", "4096", "-e", "signal=none", "-e", f"trace={','.join(names)}"]
    run = [*haconiwa_command(Path(__file__).parents[1]), "run", "--launcher", launcher, *options, file]
    done = subprocess.run(
        [*command, "-o", out, *run],
        stdin=subprocess.DEVNULL,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return parsed(out.read_text().splitlines())


def parsed(lines):
    processes, unfinished = {}, {}
    for line in lines:
        pid, _, rest = line.partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            unfinished[pid] = rest.removesuffix("<unfinished ...>").rstrip()
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", rest):
            rest = unfinished.pop(pid) + resumed[1]
        if call := CALL.match(f"{pid} {rest}"):
            result = -1 if call["result"] == "?" else number(call["result"])
            processes.setdefault(pid, []).append((call["name"], split(call["arguments"]), result))
    return processes


def split(text):
    """Split arguments at their commas, those inside strings and structures left alone."""
    parts, depth, quoted, start = [], 0, False, 0
    for index, letter in enumerate(text):
        if letter == '"' and text[index - 1] != "\\":
            quoted = not quoted
        elif not quoted:
            depth += (letter in "{[") - (letter in "}]")
            if letter == "," and not depth:
                parts.append(text[start:index].strip())
                start = index + 1
    return [*parts, text[start:].strip()] if text else []


def number(text):
    """Read a number as strace writes it: octal modes begin with 0."""
    return int(text, 8) if re.fullmatch(r"0[0-7]+", text) else int(text, 0)


def agrees(expected, actual):
    """Compare what can be compared: numbers, and strings of printable characters."""
    if isinstance(expected, (Slot, Data, Buffer, Part)):
        return True
    if isinstance(expected, bytes):
        text = expected.rstrip(b"\0")
        plain = text.isascii() and text.decode().isprintable() and b'"' not in text and b"\\" not in text
        return not plain or not actual.startswith('"') or actual == f'"{text.decode()}"'
    if not re.fullmatch(r"-?(0x[0-9a-f]+|\d+)", actual):
        return True  # A structure that strace has decoded: null pointers among the expected numbers.
    return (number(actual) - expected) % 2**32 == 0


def children_of(processes):
    """Return the calls of the cloned processes, each up to its program's start."""
    _supervisor, launcher, *children = processes.values()
    assert [name for name, _, _ in launcher if name in ("clone3", *OTHERS)] == ["clone3"]
    # The helper's child lets go of the helper's own socket first of all.
    first = children[0]
    return [list(until_exec(calls)) for calls in (first[first[0][:2] == ("dup3", ["1", "0", "0"]) :], *children[1:])]


def until_exec(calls):
    for call in calls:
        yield call
        if call[0] == "execve" and call[2] == 0:
            return


@pytest.mark.parametrize("launcher", ["direct", "zygote", "helper"])
@pytest.mark.parametrize("shifted", [False, True], ids=["root", "shifted"])
def test_children_make_the_calls_of_the_plan(root, tmp_path, shifted, launcher):
    plan = planned(Container("traced", ["/bin/true"], everything(root, shifted=shifted), stdin="null"))
    children = children_of(traced(tmp_path, DEFINITION.format(root=str(root), shifted=shifted), launcher=launcher))
    assert len(children) == len(plan.program.processes)
    # Each process begins with the call of the one before that clones it.
    assert [[name for name, _, _ in calls].count("clone3") for calls in children] == [1, 0]
    made = [("clone3", [], 0), *(call for calls in children for call in calls)]
    operations = [operation for owner, operation in operations_of(plan)]
    indices = list(executed(plan, [result for _, _, result in made]))
    assert [operations[index].call.name for index in indices] == [name for name, _, _ in made]
    for index, (name, arguments, _) in zip(indices, made, strict=True):
        for expected, actual in zip(operations[index].arguments, arguments, strict=False):
            assert agrees(expected, actual), (name, expected, actual)
    assert len(indices) > 150


def operations_of(plan):
    """Yield (step, operation) for each instruction of the plan's program."""
    seen = None
    for owner in plan.owners:
        if owner is not seen:
            seen = owner
            yield from ((owner, operation) for operation in owner.operations())


def test_the_host_makes_the_calls_of_the_plan(root, tmp_path):
    plan = planned(Container("traced", ["/bin/true"], everything(root), stdin="null"))
    supervisor = next(iter(traced(tmp_path, DEFINITION.format(root=str(root), shifted=False)).values()))
    matter = {
        "open_tree",
        "mount_setattr",
        "move_mount",
        "fsopen",
        "fsmount",
        "setns",
        "unshare",
        "pivot_root",
        *OTHERS,
    }
    expected = [operation.call.name for item in plan.host_steps(Stage.PREPARE) for operation in item.operations()]
    made = [name for name, _, _ in supervisor if name in matter]
    # The clone is the fork of the launcher.
    assert made == [*(name for name in expected if name in matter), "clone"]


CALLS_OF = {
    "ns-uts": {"sethostname", "setdomainname"},
    "ns-net": {"ioctl", "socket"},
    "ns-time": {"unshare"},
    "ns-cgroup": {"unshare"},
    "rlimit": {"prlimit64"},
    "mount": {"fsopen", "fsmount"},
    "chroot": {"pivot_root"},
    "capabilities": {"capset"},
    "seccomp": {"seccomp"},
    "landlock": {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"},
    "scheduling": {"setpriority"},
}


@pytest.mark.parametrize("left_out", sorted(CALLS_OF))
def test_what_is_left_out_is_not_called(root, tmp_path, left_out):
    definition = DEFINITION.format(root=str(root), shifted=False)
    needs = {"ns-cgroup": ["ns-time"], "ns-net": ["sysctl"], "ns-time": ["ns-cgroup"]}.get(left_out, [])
    without = [word for name in [left_out, *needs] for word in ("--without", name)]
    plan = planned(Container("traced", ["/bin/true"], everything(root), stdin="null"))
    assert CALLS_OF[left_out] <= {operation.call.name for _, operation in operations_of(plan)}
    made = {name for calls in children_of(traced(tmp_path, definition, *without)) for name, _, _ in calls}
    assert not CALLS_OF[left_out] & made


def test_without_credentials_the_command_is_root(root, tmp_path):
    definition = DEFINITION.format(root=str(root), shifted=False)
    made = [call for calls in children_of(traced(tmp_path, definition, "--without", "credentials")) for call in calls]
    assert {tuple(arguments) for name, arguments, _ in made if name in ("setresuid", "setresgid")} == {("0", "0", "0")}

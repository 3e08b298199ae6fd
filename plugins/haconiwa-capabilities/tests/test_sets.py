"""What the calls leave, for any sets, for user 0 and for another: on both kernels, and after a program is executed."""

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from haconiwa_capabilities import Capabilities
from haconiwa_capabilities.kernel import raise_sets, set_ambient_set, set_secure_bits
from haconiwa_capabilities.names import Capability, SecureBit
from hypothesis import given, settings, strategies as st

from haconiwa_core import linux
from haconiwa_core.host import HostFacts, gather
from haconiwa_core.launch.interpreter import Kernel, Memory, linux_kernel, run
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import PR_GET_SECUREBITS
from haconiwa_core.linux.host import system_call
from haconiwa_core.operation import Operation
from haconiwa_core.program import Assembler
from haconiwa_core.stages import Stage
from haconiwa_core.testing import FakeKernel, host, needs_root, plan_of, planned_steps

NOBODY = 65534
BITS = [name.removeprefix("SECBIT_").lower() for name in SecureBit.__members__ if name != "SECBIT_KEEP_CAPS"]
KEEP_CAPS = SecureBit.SECBIT_KEEP_CAPS


class Case(NamedTuple):
    """What is asked for, and where from.

    Args:
        kept, inheritable, ambient: sets of numbers.
        bits: names of secure bits.
        uid: what the user changes to.
        baited: the caller passes on whatever can be.
    """

    kept: frozenset[int]
    inheritable: frozenset[int]
    ambient: frozenset[int]
    bits: frozenset[str]
    uid: int
    baited: bool

    @property
    def feature(self) -> Capabilities:
        kept, inheritable, ambient = ([Capability(number).name for number in each] for each in self[:3])
        return Capabilities(keep=kept, inheritable=inheritable, ambient=ambient, securebits=sorted(self.bits))

    @property
    def expected(self) -> dict[str, int]:
        """The rules of capabilities(7), for a program without capabilities of its own."""
        rooted = self.uid == 0 and "noroot" not in self.bits
        own = self.kept if rooted else self.ambient
        masks = (self.inheritable | self.ambient, own, own, self.kept, self.ambient)
        names = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
        return {name: sum(1 << number for number in each) for name, each in zip(names, masks, strict=True)}


def subsets(numbers: frozenset[int]) -> st.SearchStrategy[frozenset[int]]:
    return st.frozensets(st.sampled_from(sorted(numbers))) if numbers else st.just(frozenset())


@st.composite
def cases(draw: st.DrawFn, machine: HostFacts) -> Case:
    available = frozenset(number for number in range(machine.last_capability + 1) if machine.has_capability(number))
    most = subsets(available).map(lambda gone: available - gone)
    kept = draw(st.one_of(subsets(available), most, st.just(available)))
    bits = draw(st.frozensets(st.sampled_from(BITS)))
    uid = draw(st.sampled_from([0, NOBODY]))
    return Case(kept, draw(subsets(kept)), draw(subsets(kept)), bits, uid, draw(st.booleans()))


def bait(machine: HostFacts) -> Sequence[Operation]:
    """Fill what would be handed on: inheritable, ambient, secure bits."""
    bits = SecureBit.SECBIT_NOROOT | SecureBit.SECBIT_NO_SETUID_FIXUP | KEEP_CAPS
    some = sum(1 << number for number in range(20))
    return (
        *raise_sets(machine.capabilities, some & machine.capabilities, 0),
        *set_ambient_set(*range(10)),
        *set_secure_bits(bits),
    )


def operations(case: Case, machine: HostFacts) -> list[Operation]:
    steps = planned_steps(plan_of(case.feature, host=machine), "capabilities")
    limiting = [each for planned in steps if planned.step.stage is Stage.BOUNDING for each in planned.operations()]
    final = [each for planned in steps if planned.step.stage is Stage.CAPABILITIES for each in planned.operations()]
    user = linux.set_uid(case.uid) if case.uid else ()
    return [*(bait(machine) if case.baited else ()), *limiting, *user, *final]


def failure(made: Sequence[Operation], kernel: Kernel) -> object:
    """Run operations; return the one that failed, and how."""
    assembler = Assembler()
    instructions = assembler.assemble(made)
    program = assembler.program([instructions])
    found = run(instructions, Memory(program.data), [-1] * len(program.slots), kernel)
    return found and (made[found[0]], found[1])


def asked_for(case: Case) -> int:
    return sum(SecureBit[f"SECBIT_{name.upper()}"] for name in case.bits)


@settings(max_examples=300)
@given(cases(host()))
def test_on_the_fake_kernel(case: Case) -> None:
    kernel = FakeKernel()
    assert failure(operations(case, host()), kernel) is None
    sets = (kernel.inheritable, kernel.permitted, kernel.effective, kernel.bounding, kernel.ambient)
    assert dict(zip(case.expected, sets, strict=True)) == case.expected
    assert kernel.secure_bits == asked_for(case)


SETS = re.compile(r"^(Cap\w+):\s*([0-9a-f]+)$", re.MULTILINE)


def masks(status: str) -> dict[str, int]:
    return {name: int(text, 16) for name, text in SETS.findall(status)}


def own_status() -> bytes:
    descriptor = os.open("/proc/self/status", os.O_RDONLY)
    try:
        return os.read(descriptor, 1 << 16)
    finally:
        os.close(descriptor)


def on_real(case: Case, machine: HostFacts) -> tuple[str, str]:
    """Run the calls and then a program; return what /proc tells before, with the secure bits, and after it."""
    made = operations(case, machine)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            failed = failure(made, linux_kernel())
            os.dup2(writer, 1)
            bits = system_call(Call.prctl, PR_GET_SECUREBITS, 0, 0, 0, 0)
            # Another user may not reach the modules that text files need.
            os.write(1, b"%s\nbits %d\n%s\f" % (repr(failed).encode(), bits, own_status()))
            os.execv("/bin/cat", ["cat", "/proc/self/status"])
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        before, _, after = pipe.read().partition("\f")
    os.waitpid(pid, 0)
    return before, after


@needs_root
@settings(max_examples=60)
@given(cases(gather()))
def test_on_the_real_kernel(case: Case) -> None:
    before, after = on_real(case, gather())
    assert before.startswith(f"None\nbits {asked_for(case)}\n")
    assert masks(before) == case.expected
    assert masks(after) == case.expected


@needs_root
def test_the_bait_is_taken_without_the_calls() -> None:
    """So the property above can fail: what is handed on arrives, unless something is done."""
    machine = gather()
    pid = os.fork()
    if pid == 0:
        try:
            assert failure(bait(machine), linux_kernel()) is None
            found = masks(own_status().decode())
            os._exit(0 if found["CapInh"] and found["CapAmb"] else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize("lacking", ["permitted", "bounding"])
def test_what_is_missing_after_all_is_noticed(lacking: str) -> None:
    """The caller's set that planning knows may be more than what the child really has."""
    kernel = FakeKernel()
    setattr(kernel, lacking, getattr(kernel, lacking) & ~(1 << Capability.CAP_KILL))
    kernel.effective &= kernel.permitted
    case = Case(frozenset({Capability.CAP_KILL}), frozenset(), frozenset(), frozenset(), 0, baited=False)
    assert failure(operations(case, host()), kernel) is not None

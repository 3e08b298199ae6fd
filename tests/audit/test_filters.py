"""What the audit and haconiwa-seccomp each say of a filter; what the kernel says is in the harms."""

import pytest
from haconiwa_audit.filters import Asked, denies, filters_of
from haconiwa_capabilities import Capabilities
from haconiwa_no_new_privs import NoNewPrivs
from haconiwa_seccomp import Arg, Rule, Seccomp
from hypothesis import given, settings, strategies as st

from haconiwa_core.linux import bpf
from haconiwa_core.testing import plan_of

DENYING = {bpf.ERRNO, bpf.TRAP, bpf.KILL_THREAD, bpf.KILL_PROCESS}
ACTIONS = ("allow", "log", "errno", "trap", "kill_thread", "kill_process")
WORDS = st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 3), st.sampled_from([0x10000000, 0x5412]))


def the_filter(*features: object) -> bytes:
    (found,) = filters_of(plan_of(*features))
    return found


FILTERS = {
    "default": the_filter(Seccomp()),
    "powerless": the_filter(Seccomp(), Capabilities(reset=True)),
    "last": the_filter(Seccomp(), Capabilities(), NoNewPrivs()),
    "log": the_filter(Seccomp(log=True)),
}


@pytest.mark.parametrize("program", FILTERS.values(), ids=FILTERS)
@settings(deadline=None)
@given(call=st.sampled_from(Asked), arguments=st.lists(WORDS, max_size=6))
def test_the_same_answer(program: bytes, call: Asked, arguments: list[int]) -> None:
    (answer,) = bpf.answers(program, call, arguments)
    assert denies(program, call, tuple(arguments)) is (answer & bpf.ACTION_MASK in DENYING)


@settings(deadline=None, max_examples=30)
@given(
    call=st.sampled_from([item for item in Asked if item > 0]),
    action=st.sampled_from(ACTIONS),
    operator=st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
    index=st.integers(0, 5),
    value=WORDS,
    arguments=st.lists(WORDS, min_size=6, max_size=6),
)
def test_the_same_answer_of_any_rule(
    call: Asked, action: str, operator: str, index: int, value: int, arguments: list[int]
) -> None:
    rule = Rule([call.name], action, args=[Arg(index, operator, value)])
    program = the_filter(Seccomp(profile="none", default="allow", rules=[rule]))
    (answer,) = bpf.answers(program, call, arguments)
    assert denies(program, call, tuple(arguments)) is (answer & bpf.ACTION_MASK in DENYING)

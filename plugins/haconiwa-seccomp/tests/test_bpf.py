"""What libseccomp and the chain make of rules, against what the rules say, by an interpreter of BPF."""

import operator
import struct
from collections.abc import Sequence

import pytest
from haconiwa_seccomp import Arg, chain
from haconiwa_seccomp.libseccomp import Group, Policy, compiled
from hypothesis import given, settings, strategies as st

from haconiwa_core.linux import bpf

I386 = 0x40000003
OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
NUMBERS = st.sampled_from([0, 1, 2, 59, 300, 435])
EDGES = [0, 1, 2, 6, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32, (1 << 32) + 1, 1 << 63, (1 << 64) - 1]
WORDS = st.sampled_from(EDGES) | st.integers(0, 2**64 - 1)
ACTIONS = st.sampled_from(
    [bpf.ALLOW, bpf.LOG, bpf.TRACE, bpf.USER_NOTIF, bpf.ERRNO | 1, bpf.ERRNO | 38, bpf.TRAP, bpf.KILL_PROCESS]
)


@st.composite
def args(draw: st.DrawFn, index: int) -> Arg:
    if draw(st.booleans()):
        return Arg(index, draw(st.sampled_from(sorted(OPERATORS))), draw(WORDS))
    mask = draw(WORDS)
    return Arg(index, "==", draw(WORDS) & mask, mask)


@st.composite
def matches(draw: st.DrawFn) -> tuple[int, tuple[Arg, ...]]:
    indices = draw(st.sets(st.integers(0, 5), max_size=3))
    return draw(NUMBERS), tuple(draw(args(index)) for index in sorted(indices))


GROUPS = st.builds(Group, ACTIONS, st.lists(matches(), max_size=5).map(tuple))
POLICIES = st.builds(
    Policy, st.lists(GROUPS, max_size=4).map(tuple), st.none() | st.just(200), ACTIONS, st.just(bpf.KILL_PROCESS)
)


def holds(arg: Arg, value: int) -> bool:
    return value & arg.mask == arg.value if arg.mask is not None else OPERATORS[arg.op](value, arg.value)


def expected(policy: Policy, number: int, arguments: Sequence[int]) -> int:
    """Return what a policy says, rule by rule."""
    for group in policy.groups:
        for called, conditions in group.matches:
            if called == number and all(holds(arg, arguments[arg.index]) for arg in conditions):
                return group.action
    if policy.newest is not None and number > policy.newest:
        return bpf.ERRNO | 38
    return policy.default


@st.composite
def questions(draw: st.DrawFn) -> tuple[Policy, int, list[int]]:
    """Draw a policy and a call that is likely to come near its conditions."""
    policy = draw(POLICIES)
    number = draw(NUMBERS)
    arguments = draw(st.lists(WORDS, min_size=6, max_size=6))
    near = [arg for group in policy.groups for called, found in group.matches if called == number for arg in found]
    for arg in near:
        if draw(st.booleans()):
            arguments[arg.index] = (arg.value + draw(st.sampled_from([-1, 0, 1]))) % 2**64
    return policy, number, arguments


@settings(max_examples=1000)
@given(questions())
def test_a_filter_answers_what_its_rules_say(question) -> None:
    policy, number, arguments = question
    assert bpf.answers(compiled(policy), number, arguments) == {expected(policy, number, arguments)}


@pytest.mark.parametrize("op", sorted(OPERATORS))
@pytest.mark.parametrize("value", EDGES)
def test_each_operator_at_its_edges(op: str, value: int) -> None:
    filter = compiled(Policy((Group(bpf.ALLOW, ((0, (Arg(3, op, value),)),)),), None, bpf.TRAP, bpf.KILL_PROCESS))
    for given_value in {number % 2**64 for edge in EDGES for number in (edge - 1, edge, edge + 1)}:
        allowed = bpf.answers(filter, 0, [0, 0, 0, given_value]) == {bpf.ALLOW}
        assert allowed is OPERATORS[op](given_value, value), given_value


@settings(max_examples=200)
@given(POLICIES, NUMBERS)
def test_other_architectures_are_closed(policy: Policy, number: int) -> None:
    filter = compiled(policy)
    assert bpf.answers(filter, number, [], I386) == {bpf.KILL_PROCESS}
    if bpf.ARCHITECTURE == 0xC000003E:
        assert bpf.answers(filter, number | chain.X32_BIT, []) == {bpf.KILL_PROCESS}


@settings(max_examples=300)
@given(questions())
def test_all_possible_answers_are_found_where_arguments_are_unknown(question) -> None:
    policy, number, arguments = question
    filter = compiled(policy)
    known = bpf.answers(filter, number, arguments)
    for index in range(6):
        partly = [None if place == index else value for place, value in enumerate(arguments)]
        assert known <= bpf.answers(filter, number, partly) <= bpf.answers(filter, number, [None] * 6)


def test_the_same_policy_is_compiled_once() -> None:
    policy = Policy((Group(bpf.ALLOW, ((12, ()),)),), None, bpf.TRAP, bpf.KILL_PROCESS)
    before = compiled.cache_info()
    assert compiled(policy) is compiled(Policy(*policy))
    after = compiled.cache_info()
    assert (after.misses, after.hits) == (before.misses + 1, before.hits + 1)


def test_an_instruction_that_is_not_of_a_filter() -> None:
    with pytest.raises(ValueError, match="0x1"):
        bpf.answers(struct.pack("HBBI", 0x01, 0, 0, 0), 0, [])

"""The order of steps comes from stages, then from `after`, then from names; from nothing else."""

from itertools import permutations

import pytest
from core.support import Sample, plan_of, problems_of
from hypothesis import given, strategies as st

from haconiwa_core import linux
from haconiwa_core.facts import Namespace, NewRoot
from haconiwa_core.linux.constants import CLONE_NEWIPC, CLONE_NEWUTS
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step

CHILD_STAGES = [stage for stage in Stage if not stage.on_host and stage not in (Stage.ENTER, Stage.CLONE, Stage.EXEC)]


def limit(number, *after, stage=Stage.LIMITS):
    return Step(stage, linux.set_limit, number, 0, 0, after=after)


def order(*samples, **fields):
    """Return (plugin, number) of the limits in a plan's order."""
    return [
        (planned.plugin, planned.step.arguments[0])
        for planned in plan_of(*samples, **fields).steps
        if planned.step.function is linux.set_limit
    ]


def test_without_a_reason_plugins_come_by_name_and_keep_their_own_order():
    samples = [Sample("b", steps=[limit(3), limit(1)]), Sample("a", steps=[limit(2), limit(9)])]
    assert order(*samples) == [("a", 2), ("a", 9), ("b", 3), ("b", 1)]


def test_after_names_a_plugin():
    assert order(Sample("a", steps=[limit(1, "b")]), Sample("b", steps=[limit(2)])) == [("b", 2), ("a", 1)]


def test_after_names_a_fact():
    reader = Sample("a", steps=[limit(1, Namespace)])
    publishers = [
        Sample("c", facts=[Namespace("uts", CLONE_NEWUTS)], steps=[limit(3)]),
        Sample("d", facts=[Namespace("ipc", CLONE_NEWIPC)], steps=[limit(4)]),
    ]
    assert order(reader, *publishers) == [("c", 3), ("d", 4), ("a", 1)]


@pytest.mark.parametrize("after", ["absent", "a", NewRoot], ids=str)
def test_after_what_is_not_there_or_oneself_changes_nothing(after):
    assert order(Sample("a", steps=[limit(1, after)]), Sample("b", steps=[limit(2)])) == [("a", 1), ("b", 2)]


def test_after_counts_within_a_stage_only():
    late = Sample("a", steps=[limit(1, "b", stage=Stage.LIMITS)])
    later = Sample("b", steps=[limit(2, stage=Stage.CAPABILITIES)])
    assert order(late, later) == [("a", 1), ("b", 2)]


def test_a_cycle_is_refused_and_named():
    samples = [Sample("a", steps=[limit(1, "c")]), Sample("b", steps=[limit(2)]), Sample("c", steps=[limit(3, "a")])]
    (problem,) = problems_of(plan_of, *samples)
    assert problem == "the steps of a and c each want to come after the other"


NAMES = ["a", "b", "c", "d"]
STEPS = st.lists(
    st.tuples(st.sampled_from(CHILD_STAGES), st.integers(0, 15), st.lists(st.sampled_from(NAMES), max_size=2)),
    max_size=4,
)


@given(st.fixed_dictionaries(dict.fromkeys(NAMES, STEPS)), st.randoms())
def test_any_order_of_registration_gives_the_same_plan(steps, random):
    samples = [
        Sample(name, steps=[limit(number, *after, stage=stage) for stage, number, after in own])
        for name, own in steps.items()
    ]
    shuffled = random.sample(samples, len(samples))
    problems = problems_of(plan_of, *samples)
    assert problems_of(plan_of, *shuffled) == problems
    if problems:
        return
    planned = plan_of(*samples)
    assert plan_of(*shuffled).rows() == planned.rows()
    limits = [item for item in planned.steps if item.step.function is linux.set_limit]
    assert [item.step.stage for item in limits] == sorted(item.step.stage for item in limits)
    for place, item in enumerate(limits):
        for other in limits[place + 1 :]:
            same_stage = other.step.stage is item.step.stage
            assert not (same_stage and other.plugin in set(item.step.after) - {item.plugin})
    for sample in samples:
        own = [item.step for item in limits if item.plugin == sample.name]
        assert own == sorted(
            (limit(number, *after, stage=stage) for stage, number, after in steps[sample.name]),
            key=lambda step: step.stage,
        )


def test_the_features_of_a_container_may_be_written_in_any_order():
    samples = [Sample(name, steps=[limit(index)]) for index, name in enumerate(NAMES)]
    plans = {tuple(order(*samples, features=[sample.feature() for sample in some])) for some in permutations(samples)}
    assert len(plans) == 1

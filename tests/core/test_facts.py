"""Facts, and the two passes of planning that make them useful."""

import pytest
from core.support import Sample, plan_of, problems_of

from haconiwa_core import linux
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.facts import Facts, FreshFilesystem, Namespace, NewRoot, Wrapper
from haconiwa_core.linux.constants import CLONE_NEWUTS
from haconiwa_core.operation import Slot
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_core.testing import functions, plan_of as plan_with, planned_steps

UTS = Namespace("uts", CLONE_NEWUTS)


def test_a_fact_is_found_by_its_type_and_key():
    facts = Facts()
    facts.publish(UTS, "alpha")
    facts.publish(Namespace("net", 0), "beta")
    assert facts.get(Namespace, "uts") is UTS
    assert facts.get(Namespace, "pid") is None
    assert facts.get(NewRoot) is None
    assert [fact.kind for fact in facts.all(Namespace)] == ["uts", "net"]
    assert facts.publisher(Namespace, "uts") == "alpha"
    assert facts.publisher(NewRoot) == ""
    assert facts.publishers(Namespace) == {"alpha", "beta"}


@pytest.mark.parametrize("fact", [UTS, NewRoot("/a"), FreshFilesystem("proc", "/proc", "pid")], ids=repr)
def test_two_publishers_are_refused_and_both_named(fact):
    first, second = Sample("first", facts=[fact]), Sample("second", facts=[fact])
    (problem,) = problems_of(plan_of, first, second)
    assert "first and second both provide " + type(fact).__name__ in problem


def test_steps_see_the_facts_of_plugins_that_come_later():
    seen = []
    asking = Sample("asking", steps=lambda _feature, planning: seen.append(planning.facts.get(NewRoot)) or [])
    plan_of(asking, Sample("root", facts=[NewRoot("/srv")]))
    assert seen == [NewRoot("/srv")]


def test_a_needed_fact_that_is_missing_names_who_provides_it():
    asking = Sample("asking", steps=lambda _feature, planning: planning.need(Namespace, "uts") or [])
    (problem,) = problems_of(plan_of, asking)
    assert problem.endswith("asking: needs Namespace uts; add ns-uts")
    assert functions(plan_of(asking, Sample("uts", facts=[UTS])))


def test_the_problems_of_all_plugins_come_together():
    def refuse(feature, _planning):
        raise DefinitionError([Problem("no", key="a"), Problem("never", key="b")])

    found = problems_of(plan_of, Sample("one", steps=refuse), Sample("two", steps=refuse))
    assert [text.partition("core/support.py")[2].partition(": ")[2] for text in found] == [
        *("one.a: no", "one.b: never", "two.a: no", "two.b: never")
    ]


def test_the_problems_of_one_hook_hide_no_others():
    def refuse(feature, _planning):
        raise DefinitionError([Problem("no")])

    def lack(feature, _planning):
        raise DefinitionError([Problem("no mask"), Problem("needs what bad would provide", hint="add bad")])

    found = problems_of(plan_of, Sample("bad", facts=refuse), Sample("other", steps=lack))
    assert [text.rpartition(": ")[2] for text in found] == ["no", "no mask"]


def test_a_features_step_replaces_the_cores_own():
    sample = Sample("mask", steps=[Step(Stage.LIMITS, linux.set_file_mode_mask, 0o077)])
    masks = [planned for planned in plan_of(sample).steps if planned.step.function is linux.set_file_mode_mask]
    assert [(planned.plugin, planned.step.arguments) for planned in masks] == [("mask", (0o077,))]
    assert "set_file_mode_mask" in functions(plan_of(), "core")


@pytest.mark.parametrize(("entry", "last"), [("start", "execute_open_file"), ("attach", "execute")])
def test_only_the_first_process_is_started_by_another_program(entry, last):
    facts = (Wrapper(Slot("program"), ("init", "--")),)
    planned = planned_steps(plan_with(facts=facts, entry=entry, command=["sh"]))[-1].step
    assert planned.function.__name__ == last
    assert planned.arguments[1] == (("init", "--", "sh") if entry == "start" else ("sh",))

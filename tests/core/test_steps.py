"""What a step may be: plain data, nothing of a plugin in the child, an undo that needs no plugin."""

import errno

import pytest
from core.support import Sample, plan_of

from haconiwa_core import linux
from haconiwa_core.errors import PluginError
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.vocabulary import advises, lowers
from haconiwa_core.operation import Operation, Slot
from haconiwa_core.runtime.remedies import remedy_for
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step


def host_function(path):
    """Stand for a plugin's own function."""


@pytest.mark.parametrize("argument", [None, True, 3, "a", b"a", Slot("x"), (), ((1, "a"), (Slot("y"), None))], ids=repr)
def test_plain_arguments_are_taken(argument):
    assert Step(Stage.PREPARE, host_function, argument).arguments == (argument,)


@pytest.mark.parametrize("argument", [1.5, [1], {}, object(), (1, [2]), host_function, Step], ids=str)
def test_other_arguments_are_refused(argument):
    with pytest.raises(TypeError, match="host_function: a step's arguments are None, bool"):
        Step(Stage.PREPARE, host_function, argument)


def undone_by(function, *arguments):
    undo = Step(Stage.PREPARE, function, *arguments)
    return Sample("sample", steps=[Step(Stage.PREPARE, host_function, "/x", undo=undo)])


@pytest.mark.parametrize("arguments", [("/x",), (Slot("directory"),), (Slot("name"),)], ids=repr)
def test_an_undo_of_the_vocabulary_is_taken(arguments):
    planned = next(plan_of(undone_by(linux.remove_own_file, *arguments)).undo_steps())
    assert planned.step.undo.function is linux.remove_own_file


@pytest.mark.parametrize(
    ("function", "arguments"),
    [(host_function, ("/x",)), (linux.remove_own_file, (Slot("pidfd"),)), (lambda path: None, ("/x",))],
    ids=["plugin's function", "slot of the start", "lambda"],
)
def test_an_undo_that_gc_could_not_run_is_the_plugins_fault(function, arguments):
    with pytest.raises(PluginError, match="plugin sample is broken: the undo"):
        plan_of(undone_by(function, *arguments))


@pytest.mark.parametrize("stage", [stage for stage in Stage if not stage.on_host], ids=lambda stage: stage.name)
def test_a_plugins_code_never_runs_in_the_child(stage):
    with pytest.raises(PluginError, match="plugin sample is broken: host_function runs in the child"):
        plan_of(Sample("sample", steps=[Step(stage, host_function, "/x")]))


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage.on_host], ids=lambda stage: stage.name)
def test_on_the_host_any_importable_function_may_run(stage):
    rows = plan_of(Sample("sample", steps=[Step(stage, host_function, "/x")])).rows()
    assert (stage.name, "sample", "host_function('/x')", "") in rows


def test_a_plugins_function_says_what_to_do_when_it_fails():
    @lowers
    @advises({errno.EPERM: "ask somebody", 0: "look again"})
    def act():
        yield Operation(Call.setsid)

    plan = plan_of(Sample("sample", steps=[Step(Stage.LIMITS, act)]))
    (planned,) = [each for each in plan.steps if each.plugin == "sample"]
    assert remedy_for(plan, planned, errno.EPERM) == "ask somebody"
    assert remedy_for(plan, planned, 0) == "look again"
    assert remedy_for(plan, planned, errno.ENOENT) == ""

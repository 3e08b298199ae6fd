"""Checks of the steps: what they are made of, and that none is left out."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any, get_args

from haconiwa_core import linux
from haconiwa_core.container import Container
from haconiwa_core.errors import DefinitionError
from haconiwa_core.facts import Fact, key_of
from haconiwa_core.linux.vocabulary import is_lowering
from haconiwa_core.planning.context import Planning
from haconiwa_core.planning.planner import publish
from haconiwa_core.planning.updating import plan_update
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_core.testing.conformance.subject import Subject, catalogue, feature_class
from haconiwa_core.testing.fake.mounts import Executed
from haconiwa_core.testing.fake.program import run_program
from haconiwa_core.testing.plans import all_plugins, container_of, host, plan_of, planned_steps


class StepChecks(Subject):
    """Facts and steps."""

    def test_its_facts_are_the_cores(self, tmp_path: Path) -> None:
        """Facts are of the types that others know; of a plugin in the catalogue, just those that it tells.

        If it fails: publish facts of `haconiwa_core.facts`; advice on what to add comes from `provides` in
            `[tool.haconiwa]`, which must be neither short nor stale.
        """
        self.fill(tmp_path)
        provides = set(catalogue().get(self.section, {}).get("provides", ()))
        published = set()
        for feature in self.valid:
            planning = Planning(Container("test", folder=str(tmp_path)), host())
            for fact in all_plugins().facts(feature, planning):
                kind = type(fact).__name__
                assert isinstance(fact, get_args(Fact)), f"{kind} is no fact of the core"
                published.add(kind if kind in provides else f"{kind} {key_of(fact)}")
        if self.section in catalogue():
            assert published == provides, "the catalogue tells other facts"

    def test_steps_are_in_declared_stages(self, tmp_path: Path) -> None:
        """What `haconiwa plugins show` says of stages is true.

        If it fails: name in the feature's `stages` every stage that a step has.
        """
        declared = set(feature_class(self.section).stages)
        for item in self.plans(tmp_path):
            used = {planned.step.stage for planned in planned_steps(item, self.section)}
            assert used <= declared, f"stages lacks {', '.join(stage.name for stage in used - declared)}"

    def test_child_steps_are_operations_of_its_own_or_the_cores(self, tmp_path: Path) -> None:
        """Between clone and exec no code of a plugin runs, and no call is made that a stranger has chosen.

        If it fails: a step of the child has a function of `haconiwa_core.linux` or of the plugin's package that
            lowers itself to system calls (`lowers`).
        """
        for item in self.plans(tmp_path):
            for planned in planned_steps(item, self.section):
                function = planned.step.function
                if not planned.step.stage.on_host:
                    assert is_lowering(function), f"{function.__name__} does not lower itself"
                    known = getattr(linux, function.__name__, None) is function
                    own = function.__module__.partition(".")[0] == self.package
                    assert known or own, f"{function.__name__} is of {function.__module__}"

    def test_functions_of_steps_can_be_imported(self, tmp_path: Path) -> None:
        """A step is data: whoever has a plan finds the functions that it names.

        If it fails: take a function of a module, no lambda, no inner function and no method of an object.
        """
        for item in self.plans(tmp_path):
            for planned in planned_steps(item, self.section):
                function = planned.step.function
                message = f"{function.__module__} has no {function.__qualname__} that could be imported"
                assert _imported(function) is function, message

    def test_what_is_attached_is_confined_too(self, tmp_path: Path) -> None:
        """A process that is put into the container gets every step that confines the first one, and no others.

        If it fails: give the same steps for the entry "attach" as for "start"; the core leaves out what makes the
            container.
        """
        for feature, started in zip(self.valid, self.plans(tmp_path), strict=True):
            attached = plan_of(feature, facts=self.facts, folder=str(tmp_path), entry="attach")
            steps = planned_steps(started, self.section)
            used = {slot for item in steps if _confines(item.step) for slot in item.step.arguments if slot is not None}
            wanted = [item.describe() for item in steps if _confines(item.step) or item.step.into in used]
            given = [item.describe() for item in planned_steps(attached, self.section)]
            assert given == wanted, "other steps for a process that is attached"

    def test_an_update_changes_what_differs(self, tmp_path: Path) -> None:
        """A live update from a section to the same one has no steps; to another it has steps, or is refused.

        If it fails: compare `old` with `new`; steps are of the stage ADOPT, and what cannot change is a problem in a
            DefinitionError.
        """
        self.fill(tmp_path)
        containers = [container_of(item, facts=self.facts, folder=str(tmp_path)) for item in self.valid]
        for old in containers:
            feature = old.feature(self.section)
            assert feature is not None
            planning = Planning(old, host(), running=old)
            for item in old.features:
                publish(planning, item, all_plugins())
            assert not all_plugins().update(feature, feature, planning), f"{feature} is updated to itself"
            for new in containers:
                try:
                    plan_update(old, new, host(), all_plugins())
                except DefinitionError:
                    continue

    def test_its_programs_run_on_the_fake_kernel(self, tmp_path: Path) -> None:
        """Nothing in the plan is refused where everything that it needs is there.

        If it fails: the kernel would refuse it, too; or the call is one of the plugin's own, which a subclass of
            FakeKernel in `kernel` must know.
        """
        for item in self.plans(tmp_path):
            outcome = run_program(item, self.fake_kernel(tmp_path))
            assert isinstance(outcome, Executed), f"the program ends before the command: {outcome}"


def _confines(step: Step) -> bool:
    """Whether a step is about a process; what stands before SESSION is about the container's surroundings.

    Only the score is a process's own though the host has to set it.
    """
    return step.function is linux.set_oom_score_adj or (step.stage >= Stage.SESSION and not step.stage.once)


def _imported(function: Callable[..., Any]) -> Any:
    """Return what a function's own name leads to."""
    try:
        return attrgetter(function.__qualname__)(import_module(function.__module__))
    except AttributeError:
        return None

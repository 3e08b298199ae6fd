"""Checks of what happens when something fails: it is told, and nothing is left."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import haconiwa_core.runtime.launching
from haconiwa_core.errors import SetupError
from haconiwa_core.host import gather
from haconiwa_core.launch.interpreter import Kernel
from haconiwa_core.launch.local import Values, run_host_step
from haconiwa_core.operation import Slot
from haconiwa_core.planning.plan import Plan, PlannedStep
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing.conformance.subject import Subject
from haconiwa_core.testing.conformance.traces import STATE, Traces, assert_as_before
from haconiwa_core.testing.fake.mounts import Executed
from haconiwa_core.testing.fake.program import Failed, run_program
from haconiwa_core.testing.forks import forked, give_up_capabilities
from haconiwa_core.testing.interference import FailAt, owners_of_calls, timeline
from haconiwa_core.testing.plans import plan_of, planned_steps, problems_of
from haconiwa_core.testing.running import held

_CALLS = 50
"""How many calls of one feature are made to fail on the running kernel at most, evenly spread."""


class FailureChecks(Subject):
    """What happens when something fails."""

    def test_a_refused_call_is_told(self, tmp_path: Path) -> None:
        """Each call of the plugin's steps that the kernel refuses ends the start, and names the plugin.

        If it fails: an operation accepts an errno (`accept`) only where it means that what was wanted is so already.
        """
        for plan in self.plans(tmp_path):
            whole = self.fake_kernel(tmp_path)
            if not isinstance(run_program(plan, whole), Executed):
                continue  # Another check tells that.
            for number, owner in enumerate(owners_of_calls(plan, whole.results), start=1):
                if owner.plugin == self.section:
                    told = self._outcome(plan, tmp_path, number) == Failed(owner, errno.EIO)
                    assert told, f"{owner.describe()} goes on though its call number {number} of the start is EIO"

    def _outcome(self, plan: Plan, folder: Path, number: int) -> Executed | Failed:
        kernel = self.fake_kernel(folder)
        kernel.fail(number)
        try:
            return run_program(plan, kernel)
        except OSError as error:
            owner = owners_of_calls(plan, kernel.results)[number - 1]
            return Failed(owner, error.errno or 0)

    @pytest.mark.usefixtures("suitable_host")
    def test_whatever_fails_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """After a start in which any step of the plugin failed, the host is as it was; so it is after two undos.

        If it fails: a step that leaves something on the host has an `undo` that removes it, harmless where there is
            nothing; a later step of the plugin cannot stand for it.
        """
        store = Store(tmp_path / STATE)
        for plan in self.plans(tmp_path, host=gather(), hold=True):
            before = Traces.seen(tmp_path)
            with held(plan, store):
                pass  # It can be started; if not, the error says why.
            for item in planned_steps(plan, self.section):
                for done in (False, True) if item.step.stage.on_host else ():
                    with monkeypatch.context() as patch:
                        patch.setattr(haconiwa_core.runtime.launching, "run_host_step", _Failing(item, done=done))
                        assert not _starts(plan, store), f"{item.describe()} fails, and the start goes on"
                    when = "after it was done" if done else "at its beginning"
                    assert_as_before(tmp_path, before, f"{item.describe()} failed {when}")
            for number, owner in self._calls(plan, store):
                _starts(plan, store, FailAt(number))  # That a refusal is told is another check's.
                assert_as_before(tmp_path, before, f"a call of {owner.describe()} failed")
            self._undo_again(plan, tmp_path)
            assert_as_before(tmp_path, before, "the undo was repeated")
        assert store.names() == []

    def _calls(self, plan: Plan, store: Store) -> Iterator[tuple[int, PlannedStep]]:
        """Yield the number and owner of calls that are the plugin's."""
        owners = enumerate(timeline(plan, partial(_starts, plan, store)), start=1)
        own = [(number, owner) for number, owner in owners if owner.plugin == self.section]
        yield from own[:: len(own) // _CALLS + 1]

    def _undo_again(self, plan: Plan, folder: Path) -> None:
        for planned in planned_steps(plan, self.section):
            undo = planned.step.undo
            if undo:
                # Of the instance nothing is left by now, not even its directory.
                gone = [str(folder / "gone") if isinstance(item, Slot) else item for item in undo.arguments]
                for _ in range(2):
                    undo.function(*gone)

    @pytest.mark.usefixtures("suitable_host")
    def test_a_missing_privilege_is_named(self, tmp_path: Path) -> None:
        """Without any capability the container starts all the same, or the error names the plugin and the capability.

        If it fails: look with `planning.host.has_capability` and raise DefinitionError ("needs CAP_X, which the caller
            does not have"), or tell it with `advises({errno.EPERM: ...})` above the function of the step.
        """
        store = Store(tmp_path / STATE)
        powerless = gather()._replace(capabilities=0)
        self.fill(tmp_path)
        for feature in self.valid:
            fields: dict[str, Any] = {"facts": self.facts, "folder": str(tmp_path), "host": powerless, "hold": True}
            problems = problems_of(feature, **fields)
            if problems:
                assert any("CAP_" in str(problem) for problem in problems), f"no capability is named in {problems}"
                continue
            plan = plan_of(feature, **fields)

            def start(plan: Plan = plan) -> None:
                give_up_capabilities()
                try:
                    with held(plan, store):
                        pass
                except SetupError as error:
                    if error.plugin == self.section and "CAP_" not in str(error):
                        raise

            assert forked(start) == 0, f"{feature} lacks a capability and does not name it, as the output shows"


def _starts(plan: Plan, store: Store, kernel: Kernel | None = None) -> bool:
    """Start a container and undo it; return whether the start has succeeded."""
    try:
        with held(plan, store, kernel):
            return True
    except SetupError as error:
        if error.cleanup:
            pytest.fail(f"an undo fails: {'; '.join(error.cleanup)}")
        return False


class _Failing:
    """Runs host steps as the core does, but one of them fails.

    Args:
        wanted: the step.
        done: it fails when it has done all, instead of doing nothing.
    """

    def __init__(self, wanted: PlannedStep, *, done: bool) -> None:
        self._wanted = wanted
        self._done = done

    def __call__(self, planned: PlannedStep, values: Values, kernel: Kernel) -> None:
        if planned is not self._wanted or self._done:
            run_host_step(planned, values, kernel)
        if planned is self._wanted:
            raise OSError(errno.EIO, "made to fail")

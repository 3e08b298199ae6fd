"""Checks of planning: it is pure, and depends on nothing but the definition and the host's facts."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from haconiwa_core.errors import DefinitionError, PluginError
from haconiwa_core.facts import IdMap, IdRange, Namespace, key_of
from haconiwa_core.linux.constants import CLONE_NEWUSER
from haconiwa_core.planning.planner import plan
from haconiwa_core.plugins.discovery import installed
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.testing.conformance.observing import Observed, observe
from haconiwa_core.testing.conformance.subject import Subject, feature_class
from haconiwa_core.testing.forks import forked, give_up_capabilities
from haconiwa_core.testing.needs import needs_root
from haconiwa_core.testing.plans import container_of, host, plan_of, problems_of
from haconiwa_core.testing.published import INSTALLED


class PlanningChecks(Subject):
    """Planning is pure."""

    def test_the_same_plan_in_any_order(self, tmp_path: Path) -> None:
        """Neither the order of features nor of loading matters, nor what was planned before.

        If it fails: a hook's result depends on its arguments alone; keep nothing in modules between calls.
        """
        available = [*installed(), INSTALLED]
        for feature, expected in zip(self.valid, self.plans(tmp_path), strict=True):
            container = container_of(feature, facts=self.facts, folder=str(tmp_path))
            backwards = replace(container, features=tuple(reversed(container.features)))
            for order in (available, available[::-1]):
                others = Plugins(order)
                for plugin in order:
                    with suppress(PluginError):  # What is wrong with others is not this one's.
                        others.feature_class(plugin.name)
                again = plan(backwards, host(), others).to_json()
                assert again == expected.to_json(), f"another plan of {feature}"

    def test_the_same_plan_in_every_process(self) -> None:
        """A plan can be made by one process, compared with that of another, and run by a third.

        If it fails: do not go over a set (`sorted` gives it an order), and use neither `hash` nor `id`.
        """
        first, second = _observed(type(self))
        for feature, one, other in zip(self.valid, first.plans, second.plans, strict=True):
            assert one == other, f"the plan of {feature} depends on the process that makes it"

    def test_planning_changes_nothing(self) -> None:
        """While planning nothing is written, started or sent.

        If it fails: what changes something is a step's function, and runs when the container is started.
        """
        changes = _observed(type(self))[0].changes
        assert changes == [], f"hooks change something: {changes}"

    def test_what_planning_reads_is_an_input(self) -> None:
        """A plan tells the files that it depends on.

        If it fails: read files with `planning.read_on_host` and `planning.read_in_root`, and what is known of the
            host from `planning.host`.
        """
        read = _observed(type(self))[0].read
        assert read == [], f"hooks read what is no input of the plan: {read}"

    @needs_root
    def test_planning_needs_no_privilege(self, tmp_path: Path) -> None:
        """Everybody can see the plan of a container that only root may start.

        If it fails: a hook makes a call that takes a capability; that belongs into a step.
        """

        def planned() -> None:
            give_up_capabilities()
            list(self.plans(tmp_path))

        assert forked(planned) == 0, "planning fails in a process without capabilities, as its output shows"

    def test_what_the_host_lacks_is_a_problem(self, tmp_path: Path) -> None:
        """On a host that has nothing of what the plugin needs, planning says so.

        If it fails: look whether `planning.host` has it, and raise DefinitionError with what is lacking.
        """
        bare = host(
            kernel="5.10.0",
            uid=1000,
            gid=1000,
            capabilities=0,
            namespaces=(),
            users={},
            groups={},
            cgroups=(),
            seccomp_actions=(),
            landlock=0,
            lsms=(),
        )
        self.fill(tmp_path)
        for feature in self.valid:
            with suppress(DefinitionError):
                plan_of(feature, facts=self.facts, folder=str(tmp_path), host=bare)

    def test_what_only_root_can_have_is_refused(self, tmp_path: Path) -> None:
        """A feature that says "no" of ordinary users is refused them while planning, in a user namespace too.

        If it fails: raise DefinitionError in `haconiwa_steps` where `planning.host` lacks the capability, with what to
            use instead as the hint; or say "partly", and what part it is.
        """
        self.fill(tmp_path)
        ordinary = host(uid=1000, gid=1000, capabilities=0)
        given = {(type(fact), key_of(fact)) for fact in self.facts}
        facts = (*self.facts, *(fact for fact in _USER_NAMESPACE if (type(fact), key_of(fact)) not in given))
        for feature in self.valid if feature_class(self.section).rootless.able == "no" else ():
            problems = problems_of(feature, facts=facts, folder=str(tmp_path), host=ordinary)
            assert any(problem.hint for problem in problems), f"{feature} is not refused with the way: {problems}"


_USER_NAMESPACE = (Namespace("user", CLONE_NEWUSER), IdMap((IdRange(0, 1000),), (IdRange(0, 1000),)))

_OBSERVED: dict[type[PlanningChecks], tuple[Observed, Observed]] = {}
"""What each plugin did while it planned, in two processes; three checks look at it."""


def _observed(subject: type[PlanningChecks]) -> tuple[Observed, Observed]:
    if subject not in _OBSERVED:
        with TemporaryDirectory() as folder:
            subject().fill(Path(folder))
            first, second = (observe(subject.valid, subject.facts, folder, seed) for seed in (1, 2))
        _OBSERVED[subject] = first, second
    return _OBSERVED[subject]

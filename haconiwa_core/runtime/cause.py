"""Why something has failed, and what to do about it. Looked for when it has, and imported only then.

The core knows what the kernel's answer and the plan tell. Another distribution may look at the host and at the
container's files, by an entry point of the group `haconiwa.v1.explainers`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from haconiwa_core.errors import PluginError
from haconiwa_core.planning.plan import Plan, PlannedStep
from haconiwa_core.plugins.entrypoints import entry_points
from haconiwa_core.runtime.remedies import remedy_for

GROUP = "haconiwa.v1.explainers"


class Cause(NamedTuple):
    """A cause.

    Args:
        text: what was found, "" for nothing.
        remedy: what to do about it; "" where the advice about the step itself holds.
    """

    text: str
    remedy: str = ""


class Failure(NamedTuple):
    """What is known of a step that has failed.

    Args:
        plan: that it is of.
        planned: the step.
        code: the errno; 0 where no system call has failed.
        call: the system call, "" where it is not known.
        path: that the kernel has refused, on the host; "" where it is not known.
        first: pid and start time of the container's first process, where a process was to be attached.
    """

    plan: Plan
    planned: PlannedStep
    code: int
    call: str = ""
    path: str = ""
    first: tuple[int, int] | None = None


class Explainer(Protocol):
    """What an entry point of the group is: a module, or an object. It raises nothing, and changes nothing."""

    def of_step(self, failure: Failure) -> Cause | None:
        """Return why a step has failed; None where that is not found."""

    def of_path(self, path: str, code: int) -> Cause | None:
        """Return why a path of the host could not be written.

        Args:
            path: absolute.
            code: the errno.
        """


def explained(failure: Failure) -> Cause:
    """Return why a step has failed and what to do about it, each "" where nothing is known."""
    found = _asked(lambda explainer: explainer.of_step(failure)) or Cause("")
    return found._replace(remedy=found.remedy or remedy_for(failure.plan, failure.planned, failure.code))


def explained_path(path: str, code: int) -> Cause:
    """Return why a path could not be written and what to do about it.

    The arguments are those of `Explainer.of_path`.
    """
    return _asked(lambda explainer: explainer.of_path(path, code)) or Cause("")


def _asked(ask: Callable[[Explainer], Cause | None]) -> Cause | None:
    for item in entry_points():
        if item.group == GROUP and not item.blocked:
            try:
                found = ask(item.load())
            except (ImportError, AttributeError, PluginError) as error:
                found = Cause(f"{item.distribution}, which could look why, is broken: {error}")
            if found:
                return found
    return None

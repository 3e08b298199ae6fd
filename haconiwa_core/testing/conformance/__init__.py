"""Checks that every plugin's tests run: subclass `Conformance`, name the section and valid features."""

from __future__ import annotations

from haconiwa_core.testing.conformance.failures import FailureChecks
from haconiwa_core.testing.conformance.hooks import HookChecks
from haconiwa_core.testing.conformance.isolation import IsolationChecks
from haconiwa_core.testing.conformance.leftovers import LeftoverChecks
from haconiwa_core.testing.conformance.names import NameChecks
from haconiwa_core.testing.conformance.options import OptionChecks
from haconiwa_core.testing.conformance.planning import PlanningChecks
from haconiwa_core.testing.conformance.steps import StepChecks


class Conformance(
    NameChecks,
    OptionChecks,
    HookChecks,
    PlanningChecks,
    StepChecks,
    IsolationChecks,
    FailureChecks,
    LeftoverChecks,
):
    """What any plugin promises.

    A subclass is a test class; its name begins with `Test`. Its attributes are described in `Subject`. The docstring of
    each check says what is promised, and what to do if it fails.
    """
